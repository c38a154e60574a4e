package sluice

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// TokenFunc returns an API token or a JWT. Its context ends when no call can wait for it any longer.
type TokenFunc func(ctx context.Context) (string, error)

// heldToken is compared by identity: calls with the same one share its fate.
type heldToken struct{ header string }

// newToken says nothing of the text in its error, which must not get into a log.
func newToken(text string) (*heldToken, error) {
	for _, c := range []byte(text) {
		if c < 0x21 || c > 0x7e {
			return nil, badArgument("a token must have ASCII characters without spaces")
		}
	}
	if text == "" {
		return nil, badArgument("a token must not be empty")
	}
	return &heldToken{"Bearer " + text}, nil
}

// tokenSource asks for a token when it has no token yet, and again when a gateway has refused the present one: once for all calls.
type tokenSource struct {
	ask     TokenFunc
	timeout time.Duration

	mu      sync.Mutex
	current *heldToken
	asked   *askedToken
}

type askedToken struct {
	done  chan struct{}
	token *heldToken
	err   error
}

func (s *tokenSource) forCall(ctx context.Context) (*heldToken, error) {
	s.mu.Lock()
	if s.current != nil {
		defer s.mu.Unlock()
		return s.current, nil
	}
	asked := s.asked
	if asked == nil {
		asked = &askedToken{done: make(chan struct{})}
		s.asked = asked
		go s.askAgain(asked)
	}
	s.mu.Unlock()
	select {
	case <-asked.done:
		return asked.token, asked.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, localError(CodeDeadlineExceeded, codes.DeadlineExceeded,
				"the token function did not return before the deadline of the call", context.Cause(ctx))
		}
		return nil, localError(CodeCancelled, codes.Canceled, "the call has waited for a token", context.Cause(ctx))
	}
}

func (s *tokenSource) askAgain(asked *askedToken) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := s.ask(ctx)
		answers <- answer{text, err}
	}()
	var got answer
	select {
	case got = <-answers:
	case <-ctx.Done():
		got.err = ctx.Err()
	}
	if got.err == nil {
		asked.token, got.err = newToken(got.text)
	}
	if got.err != nil {
		failed := localError(CodeUnauthenticated, codes.Unauthenticated, "the token function failed: "+got.err.Error(), got.err)
		asked.err = &UnauthenticatedError{CallError: failed, Reason: "missing", noToken: true}
	}
	s.mu.Lock()
	s.current, s.asked = asked.token, nil
	s.mu.Unlock()
	close(asked.done)
}

// refused says whether an error says that this token is not accepted; later calls then ask for another one.
func (s *tokenSource) refused(err error, token *heldToken) bool {
	var failed *UnauthenticatedError
	if s == nil || !errors.As(err, &failed) || failed.Reason == "missing" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == token {
		s.current = nil
	}
	return true
}
