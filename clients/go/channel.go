package sluice

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// channel is what the stubs call: it adds the token, sends appends again, and makes the errors. It is a grpc.ClientConnInterface.
type channel struct {
	settings
	metadata metadata.MD
	tokens   *tokenSource
	dial     func() (*grpc.ClientConn, error)
	// closed ends when the client is closed.
	closed context.Context
	close  context.CancelCauseFunc

	mu   sync.Mutex
	link *link
}

// link is the connection to all gateways, and its calls under way. One that has been left is closed when they have ended.
type link struct {
	conn  *grpc.ClientConn
	calls int
	left  bool
}

var errClosed = localError(CodeCancelled, codes.Canceled, "the client is closed", nil)

func (c *channel) newLink() (*link, error) {
	conn, err := c.dial()
	return &link{conn: conn}, err
}

// acquire gives the present link, for a call that releases it at its end.
func (c *channel) acquire() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Err() != nil {
		return nil, errClosed
	}
	c.link.calls++
	return c.link, nil
}

func (c *channel) release(used *link) {
	c.mu.Lock()
	used.calls--
	isLast := used.left && used.calls == 0
	c.mu.Unlock()
	if isLast {
		used.conn.Close()
	}
}

// leave gives a connection up that has gone silent: later calls get another one. silent is the present link when the call began.
func (c *channel) leave(silent *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != silent || c.closed.Err() != nil {
		return
	}
	if next, err := c.newLink(); err == nil {
		silent.left, c.link = true, next
	}
}

func (c *channel) present() *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}

func (c *channel) shut() error {
	c.close(errClosed)
	return c.present().conn.Close()
}

// untilClosed gives a context that also ends when the client is closed.
func (c *channel) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ends, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closed, func() { cancel(errClosed) })
	return ends, func() { stop(); cancel(context.Canceled) }
}

// authorized adds to a context what a call sends beside its request.
func (c *channel) authorized(ctx context.Context) (context.Context, *heldToken, error) {
	if len(c.metadata) == 0 && c.inject == nil && c.tokens == nil {
		return ctx, nil, nil
	}
	sent, _ := metadata.FromOutgoingContext(ctx)
	sent = metadata.Join(sent, c.metadata)
	if c.inject != nil {
		c.inject(ctx, func(key, value string) { sent.Set(key, value) })
	}
	var token *heldToken
	if c.tokens != nil {
		var err error
		if token, err = c.tokens.forCall(ctx); err != nil {
			return nil, nil, err
		}
		sent.Set("authorization", token.header)
	}
	return metadata.NewOutgoingContext(ctx, sent), token, nil
}

// Invoke makes a call with one response. One that has a commit id is sent again until its outcome is known.
func (c *channel) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	if _, has := ctx.Deadline(); !has && c.callTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.callTimeout)
		defer cancel()
	}
	request, commit, repeats := commitOf(request)
	if !repeats {
		return c.once(ctx, nil, method, request, response, options)
	}
	return untilDecided(ctx, c.attemptsMax, func() error {
		return c.once(ctx, commit, method, request, response, options)
	})
}

// once makes a call, and once more if its token is refused.
func (c *channel) once(ctx context.Context, commit *commitRef, method string, request, response any, options []grpc.CallOption) error {
	for attempt := 1; ; attempt++ {
		authorized, token, err := c.authorized(ctx)
		if err != nil {
			return err
		}
		used, err := c.acquire()
		if err != nil {
			return err
		}
		var to peer.Peer
		err = used.conn.Invoke(authorized, method, request, response, append(options[:len(options):len(options)], grpc.Peer(&to))...)
		c.release(used)
		if err == nil {
			return nil
		}
		if to.Addr == nil { // it never had a connection
			err = failureOf(ctx, err).asError(nil)
		} else {
			err = failureOf(ctx, err).asError(commit)
		}
		if attempt == 2 || !c.tokens.refused(err, token) {
			return err
		}
	}
}

// commitOf gives the request with its commit id, and what it asks to store; nil: nothing. repeats: it may be sent again.
func commitOf(request any) (with any, commit *commitRef, repeats bool) {
	message, ok := request.(interface {
		proto.Message
		GetCommitId() string
	})
	if !ok {
		return request, nil, false
	}
	if message.GetCommitId() == "" {
		// The caller may use its request for another call.
		message = proto.Clone(message).(interface {
			proto.Message
			GetCommitId() string
		})
		field := message.ProtoReflect().Descriptor().Fields().ByName("commit_id")
		message.ProtoReflect().Set(field, protoreflect.ValueOfString(NewID()))
	}
	commit = &commitRef{id: message.GetCommitId()}
	switch m := request.(type) {
	case *sluicev1.AppendRequest:
		if len(m.Events) == 0 {
			return message, nil, true
		}
		commit.stream = m.Stream
	case *sluicev1.AppendMultiRequest:
		if len(m.Appends) > 0 {
			commit.stream = m.Appends[0].GetStream()
		}
	case interface{ GetStream() string }:
		commit.stream = m.GetStream()
	}
	return message, commit, true
}

// NewStream begins a call with many responses. It has no timeout of its own.
func (c *channel) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	s := &stream{channel: c, ctx: ctx}
	s.open = func() (grpc.ClientStream, error) {
		authorized, token, err := c.authorized(ctx)
		if err != nil {
			return nil, err
		}
		used, err := c.acquire()
		if err != nil {
			return nil, err
		}
		var once sync.Once // gRPC may tell it more than once
		finish := grpc.OnFinish(func(error) { once.Do(func() { c.release(used) }) })
		opened, err := used.conn.NewStream(authorized, desc, method, append([]grpc.CallOption{finish, grpc.Peer(&s.to)}, options...)...)
		if err != nil {
			return nil, failureOf(ctx, err).asError(nil)
		}
		s.token = token
		return opened, nil
	}
	opened, err := s.open()
	if err != nil {
		return nil, err
	}
	s.ClientStream = opened
	s.begun.Store(c.tokens == nil)
	return s, nil
}

// stream is a call under way. Until its first response it keeps its requests, to make the call once more if its token is refused.
type stream struct {
	grpc.ClientStream
	channel *channel
	ctx     context.Context
	open    func() (grpc.ClientStream, error)
	token   *heldToken
	to      peer.Peer

	begun  atomic.Bool
	mu     sync.Mutex
	kept   []any
	closed bool
}

func (s *stream) SendMsg(message any) error {
	if s.begun.Load() {
		return s.current().SendMsg(message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, message)
	if err := s.ClientStream.SendMsg(message); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil // RecvMsg says how the call ended, or sends it again
}

func (s *stream) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.ClientStream.CloseSend()
}

func (s *stream) current() grpc.ClientStream {
	if s.channel.tokens == nil {
		return s.ClientStream
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = nil
	return s.ClientStream
}

func (s *stream) RecvMsg(message any) error {
	err := s.receive(message)
	if err == nil || errors.Is(err, io.EOF) {
		s.begun.Store(true)
		return err
	}
	failure := failureOf(s.ctx, err)
	failed := failure.asError(nil)
	if s.begun.Swap(true) || !s.channel.tokens.refused(failed, s.token) {
		return failed
	}
	if err := s.again(); err != nil {
		return err
	}
	if err := s.receive(message); err != nil && !errors.Is(err, io.EOF) {
		return failureOf(s.ctx, err).asError(nil)
	} else {
		return err
	}
}

func (s *stream) receive(message any) error {
	return s.ClientStream.RecvMsg(message)
}

// again makes the call once more, with what was sent so far.
func (s *stream) again() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened, err := s.open()
	if err != nil {
		return err
	}
	s.ClientStream = opened
	for _, message := range s.kept {
		if err := opened.SendMsg(message); err != nil {
			break // RecvMsg says why
		}
	}
	s.kept = nil
	if s.closed {
		return opened.CloseSend()
	}
	return nil
}

// wasSent says whether a gateway may have got the call, after its end.
func (s *stream) wasSent() bool { return s.to.Addr != nil }
