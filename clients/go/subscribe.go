package sluice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

const (
	heartbeatDefault = 5 * time.Second
	// missedMax: after this number of heartbeats without any message, a connection counts as silent.
	missedMax = 3
)

// Heartbeat is how often the gateway says that it is there and how far behind a subscription is, 1 s to 1 h. If nothing comes for
// three times as long, the client gives the connection up and continues over another one. Default: 5 s.
func Heartbeat(interval time.Duration) ReadOption {
	return option("Heartbeat", func(q *query) { q.heartbeat = interval })
}

// OnCaughtUp is called when the loop has all events that were stored before; from then on it gets events as they are stored.
func OnCaughtUp(call func()) ReadOption {
	return option("OnCaughtUp", func(q *query) { q.onCaughtUp = call })
}

// OnFellBehind is called when the loop was too slow: it gets events from the log again until it has caught up.
func OnFellBehind(call func()) ReadOption {
	return option("OnFellBehind", func(q *query) { q.onFellBehind = call })
}

// OnReconnect is called when the call has ended and the client is about to make another one.
func OnReconnect(call func(error)) ReadOption {
	return option("OnReconnect", func(q *query) { q.onReconnect = call })
}

// Subscription is events as they are stored. Its methods are for the goroutine of the loop.
type Subscription struct {
	client   *Client
	ctx      context.Context
	query    query
	at       place
	version  *uint64
	bad      error
	position *uint64
	lag      *uint64
}

// Subscribe follows a stream, the streams that match patterns, or the whole store: first the stored events, then new ones. The loop over
// Events gets each event once and in order. It ends with the context, with Close, or with an error that does not pass: an
// [*InvalidRequestError], [*StoreMismatchError], [*UnauthenticatedError], [*AccessDeniedError], [*UnreadableCommitError], or
// CodeNotPermitted. When a gateway or a connection goes away, it continues after the last event; so does a later loop.
//
//	subscription := client.Subscribe(ctx, sluice.Patterns("order.>"), sluice.After(cursor))
//	for event, err := range subscription.Events() {
//		if err != nil {
//			return err
//		}
//		... // and store subscription.Cursor() in the same transaction
//	}
//
// Options: Stream or Patterns, After, AfterVersion, FromTime, FromNow, StartMustExist, Types, TypePrefixes, Query, PermittedOnly, Heartbeat,
// OnCaughtUp, OnFellBehind, OnReconnect, OnUnreadable, Page.
func (c *Client) Subscribe(ctx context.Context, options ...ReadOption) *Subscription {
	q, err := queryOf("Subscribe", options, "Stream", "Patterns", "After", "AfterVersion", "FromTime", "FromNow", "StartMustExist", "Types",
		"TypePrefixes", "Query", "PermittedOnly", "Heartbeat", "OnCaughtUp", "OnFellBehind", "OnReconnect", "OnUnreadable", "Page")
	s := &Subscription{client: c, ctx: ctx, query: q, bad: err}
	if q.afterVersion != nil { // an option may be used again
		s.version = proto.Uint64(*q.afterVersion)
	}
	if s.query.heartbeat == 0 {
		s.query.heartbeat = heartbeatDefault
	}
	if s.bad == nil {
		s.at, s.bad = q.after.place()
	}
	return s
}

// Cursor says where the loop is, after its last event: what to store for After. It is "" before the first response, and with
// AfterVersion until the first commit is complete.
func (s *Subscription) Cursor() Cursor {
	if s.version != nil && s.position == nil {
		return ""
	}
	return s.at.cursor()
}

// Position says up to which position the loop has every event; false: it has no whole commit yet. It moves on over what the filters drop.
func (s *Subscription) Position() (uint64, bool) {
	if s.position == nil {
		return 0, false
	}
	return *s.position, true
}

// Lag says how many positions the loop is behind the end of the store, by the latest report; false: before the first report.
func (s *Subscription) Lag() (uint64, bool) {
	if s.lag == nil {
		return 0, false
	}
	return *s.lag, true
}

// errStopped: the loop was left.
var errStopped = errors.New("the loop was left")

// Events gives the events, and at last the error that has ended the subscription.
func (s *Subscription) Events() iter.Seq2[*RecordedEvent, error] {
	return func(yield func(*RecordedEvent, error) bool) {
		if s.bad != nil {
			yield(nil, s.bad)
			return
		}
		ctx, cancel := s.client.channel.untilClosed(s.ctx)
		defer cancel()
		for failures := 0; ; failures++ {
			begun, err := s.follow(ctx, yield)
			if errors.Is(err, errStopped) {
				return
			}
			if begun {
				failures = 0
			}
			var refused *UnauthenticatedError
			isExpired := begun && s.client.channel.tokens != nil && errors.As(err, &refused)
			if ctx.Err() != nil || !isExpired && !mayPass(err) {
				yield(nil, s.ending(ctx, err))
				return
			}
			if s.query.onReconnect != nil && !isExpired {
				s.query.onReconnect(err)
			}
			if ended := resumePause(ctx, failures); ended != nil {
				yield(nil, s.ending(ctx, ended))
				return
			}
		}
	}
}

// ending is the error of a loop whose call has ended with err, which may be because of its context.
func (s *Subscription) ending(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return ended(ctx)
}

// ended is the error of a call whose context has ended.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	var failed *CallError
	if errors.As(cause, &failed) {
		return failed
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return localError(CodeDeadlineExceeded, codes.DeadlineExceeded, cause.Error(), cause)
	}
	return localError(CodeCancelled, codes.Canceled, cause.Error(), cause)
}

func (s *Subscription) request() *sluicev1.SubscribeRequest {
	q := s.query
	request := &sluicev1.SubscribeRequest{Stream: q.stream, Patterns: q.patterns, FromTime: q.fromTime,
		FromNow: q.fromNow && s.position == nil, StartMustExist: q.startMustExist, EventTypes: q.eventTypes,
		EventTypePrefixes: q.eventTypePrefixes, HeartbeatInterval: durationpb.New(q.heartbeat), Page: q.page,
		SkipUnreadable: q.onUnreadable != nil, PermittedOnly: q.permittedOnly, Query: q.selected, StoreId: s.at.storeID}
	if s.version != nil { // a request cannot have a version and a position
		request.AfterVersion = proto.Uint64(*s.version)
	} else {
		request.AfterPosition, request.AfterCount = s.at.sent()
	}
	return request
}

// follow makes one call. begun: it had a response.
func (s *Subscription) follow(ctx context.Context, yield func(*RecordedEvent, error) bool) (begun bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	channel := s.client.channel
	silence := missedMax * s.query.heartbeat
	used := channel.present()
	timer := time.AfterFunc(silence, func() {
		channel.leave(used)
		message := fmt.Sprintf("nothing has come from the gateway for %s", silence)
		cancel(localError(CodeUnavailable, codes.Unavailable, message, nil))
	})
	defer timer.Stop()
	call, err := s.client.store.Subscribe(ctx, s.request())
	for err == nil {
		timer.Reset(silence)
		var message *sluicev1.SubscribeResponse
		message, err = call.Recv()
		timer.Stop()
		if err != nil {
			break
		}
		begun = true
		if err = s.take(ctx, message, yield); err != nil {
			return begun, err
		}
	}
	if errors.Is(err, io.EOF) {
		err = localError(CodeUnavailable, codes.Unavailable, "the gateway has ended the subscription", nil)
	}
	var silent *CallError
	if cause := context.Cause(ctx); errors.As(cause, &silent) && silent.Code == CodeUnavailable {
		err = silent
	}
	return begun, err
}

func (s *Subscription) take(ctx context.Context, message *sluicev1.SubscribeResponse, yield func(*RecordedEvent, error) bool) error {
	for _, event := range message.Events {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		if s.version == nil {
			s.at.onEvent(event.Position)
		} else {
			*s.version = event.Version
		}
		if !yield(event, nil) {
			return errStopped
		}
	}
	for _, one := range message.Unreadable {
		if err := s.query.onUnreadable(one); err != nil {
			return err
		}
	}
	if message.Position != nil {
		s.position = message.Position
	}
	if message.StoreId != "" {
		s.at.storeID = message.StoreId
	}
	s.at.onPosition(message.Position)
	switch notice := message.Notice.(type) {
	case *sluicev1.SubscribeResponse_Heartbeat:
		s.lag = proto.Uint64(notice.Heartbeat.GetLag())
	case *sluicev1.SubscribeResponse_CaughtUp:
		s.lag = proto.Uint64(0)
		if s.query.onCaughtUp != nil {
			s.query.onCaughtUp()
		}
	case *sluicev1.SubscribeResponse_FellBehind:
		if s.query.onFellBehind != nil {
			s.query.onFellBehind()
		}
	}
	return nil
}
