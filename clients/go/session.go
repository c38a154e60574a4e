package sluice

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

const (
	pendingDefault = 1024
	// messageBytesMax is the size of one message of a session, unless a single append is larger.
	messageBytesMax   = 128 << 10
	messageAppendsMax = 1000
)

// SessionOption is an option of AppendSession.
type SessionOption func(*AppendSession)

// InOrder stores the commits in the order of the calls, over all streams. After one that failed no other is stored: they fail with
// CodeCancelled, and wrap the error of the first. This is slower.
func InOrder() SessionOption {
	return func(s *AppendSession) { s.inOrder = true }
}

// PendingMax sets how many appends may wait for their results. Default: 1024.
func PendingMax(appends int) SessionOption {
	return func(s *AppendSession) { s.pendingMax = appends }
}

// AppendSession appends many commits over one call, each without waiting for the results of those before it, which is many times faster.
// Several goroutines may use it.
type AppendSession struct {
	channel    *channel
	inOrder    bool
	pendingMax int
	call       grpc.BidiStreamingClient[sluicev1.AppendSessionRequest, sluicev1.AppendSessionResponse]
	stream     *stream
	slots      chan struct{}
	wake       chan struct{}
	done       chan struct{}

	mu      sync.Mutex
	tags    uint64
	unsent  []*PendingAppend
	pending map[uint64]*PendingAppend
	failed  map[uint64]error // of the newest appends that failed: the causes of errors of appends that relied on them
	order   []uint64
	closing bool
	err     error
}

// PendingAppend is an append of a session that has been taken.
type PendingAppend struct {
	message *sluicev1.SessionAppend
	bytes   int
	sent    bool
	done    chan struct{}
	result  *sluicev1.AppendResponse
	err     error
}

// Done is closed when the append has its result.
func (p *PendingAppend) Done() <-chan struct{} { return p.done }

// Wait gives the result of the append. It fails like Append of the client: with an [*OutcomeUnknownError] also if the session ended before
// the result came. An error that follows from that of an earlier append of the session wraps it. If the context ends first, Wait
// fails with its cause, and the append goes on.
func (p *PendingAppend) Wait(ctx context.Context) (*sluicev1.AppendResponse, error) {
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// AppendSession opens a session, which ends with the context, with Close, or with its token: then open another one, and append what has
// no result again, with its commit ids.
func (c *Client) AppendSession(ctx context.Context, options ...SessionOption) (*AppendSession, error) {
	s := &AppendSession{channel: c.channel, pendingMax: pendingDefault, wake: make(chan struct{}, 1), done: make(chan struct{}),
		pending: map[uint64]*PendingAppend{}, failed: map[uint64]error{}}
	for _, option := range options {
		option(s)
	}
	if s.pendingMax < 1 {
		return nil, badArgument("PendingMax needs at least 1; found %d", s.pendingMax)
	}
	s.slots = make(chan struct{}, s.pendingMax)
	ctx, cancel := c.channel.untilClosed(ctx)
	call, err := c.store.AppendSession(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	s.call = call
	s.stream = call.(*grpc.GenericClientStream[sluicev1.AppendSessionRequest, sluicev1.AppendSessionResponse]).ClientStream.(*stream)
	go s.send()
	go func() {
		defer cancel()
		s.receive()
	}()
	return s, nil
}

// Append takes an append, in the order of the calls for each stream. It waits while the session has as many appends without a result
// as PendingMax says, and fails if the session or the context has ended. What it returns has the result.
func (s *AppendSession) Append(ctx context.Context, stream string, events []*Event, options ...AppendOption) (*PendingAppend, error) {
	request, err := s.channel.appendRequest(ctx, stream, events, options)
	if err == nil && request.GetValidateOnly() {
		err = badArgument("ValidateOnly is not for sessions")
	}
	if err != nil {
		return nil, err
	}
	message := &sluicev1.SessionAppend{Append: request, InOrder: s.inOrder}
	if s.channel.inject != nil {
		trace := map[string]string{}
		s.channel.inject(ctx, func(key, value string) { trace[key] = value })
		if parent := trace["traceparent"]; parent != "" {
			message.TraceContext = &sluicev1.TraceContext{Traceparent: parent, Tracestate: trace["tracestate"]}
		}
	}
	p := &PendingAppend{message: message, bytes: proto.Size(message) + 16, done: make(chan struct{})}
	select {
	case s.slots <- struct{}{}:
	case <-s.done:
		return nil, s.ended()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.err != nil {
		<-s.slots
		return nil, s.endedLocked()
	}
	s.tags++
	message.Tag = s.tags
	s.pending[message.Tag] = p
	s.unsent = append(s.unsent, p)
	s.wakeUp()
	return p, nil
}

// Close ends the session, and returns when all appends have their results. It fails if the session ended with an error.
func (s *AppendSession) Close() error {
	s.mu.Lock()
	s.closing = true
	s.wakeUp()
	s.mu.Unlock()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

func (s *AppendSession) ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endedLocked()
}

func (s *AppendSession) endedLocked() error {
	if s.err == nil || errors.Is(s.err, io.EOF) {
		return localError(CodeCancelled, codes.Canceled, "the session is closed", nil)
	}
	return s.err
}

func (s *AppendSession) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send sends what is unsent in messages of a moderate size, as fast as the gateway takes them.
func (s *AppendSession) send() {
	for {
		message, isLast := s.next()
		if message != nil {
			if s.call.Send(message) != nil {
				return // receive learns why
			}
			continue
		}
		if isLast {
			s.call.CloseSend()
			return
		}
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
	}
}

// next gives nil if nothing waits to be sent; isLast: and nothing will come.
func (s *AppendSession) next() (message *sluicev1.AppendSessionRequest, isLast bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unsent) == 0 {
		return nil, s.closing
	}
	message = &sluicev1.AppendSessionRequest{}
	size := 0
	for _, p := range s.unsent {
		size += p.bytes
		if count := len(message.Appends); count > 0 && (size > messageBytesMax || count == messageAppendsMax) {
			break
		}
		p.sent = true
		message.Appends = append(message.Appends, p.message)
	}
	s.unsent = slices.Delete(s.unsent, 0, len(message.Appends))
	return message, false
}

func (s *AppendSession) receive() {
	for {
		message, err := s.call.Recv()
		if err != nil {
			s.end(err)
			return
		}
		for _, answer := range message.Answers {
			s.take(answer)
		}
	}
}

func (s *AppendSession) take(answer *sluicev1.SessionAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[answer.Tag]
	if p == nil {
		return
	}
	p.result = answer.GetResult()
	if failed := answer.GetError(); failed != nil {
		var cause error
		if answer.FailedTag != nil {
			cause = s.failed[*answer.FailedTag]
		}
		p.err = newFailure(status.FromProto(failed), cause).asError(p.commit())
		// What was not tried because of another one is the cause of nothing, however many come after it.
		if answer.FailedTag == nil || CodeOf(p.err) != CodeCancelled {
			s.remember(answer.Tag, p.err)
		}
	}
	s.finish(answer.Tag, p)
}

func (s *AppendSession) remember(tag uint64, err error) {
	s.failed[tag] = err
	if s.order = append(s.order, tag); len(s.order) > s.pendingMax {
		delete(s.failed, s.order[0])
		s.order = s.order[1:]
	}
}

func (s *AppendSession) finish(tag uint64, p *PendingAppend) {
	delete(s.pending, tag)
	close(p.done)
	<-s.slots
}

// end gives the appends without a result what the end of the session means to them.
func (s *AppendSession) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.unsent = err, nil
	for tag, p := range s.pending {
		p.err = s.errorOf(p, err)
		s.finish(tag, p)
	}
	close(s.done)
}

func (s *AppendSession) errorOf(p *PendingAppend, err error) error {
	var failed *CallError
	if !errors.As(err, &failed) {
		failed = localError(CodeInternal, codes.Internal, "the session has ended without the result", nil)
		err = failed
	}
	if commit := p.commit(); commit != nil && p.sent && s.stream.wasSent() && !slices.Contains(afterResults, failed.reason) {
		own := *failed
		return own.unknown(commit)
	}
	return err
}

// commit is what the append stores; nil: nothing.
func (p *PendingAppend) commit() *commitRef {
	request := p.message.Append
	if len(request.Events) == 0 {
		return nil
	}
	return &commitRef{request.Stream, request.CommitId}
}
