package sluice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// ReadOption is an option of a read or of a subscription. One that has no meaning for a call makes it fail with an [*ArgumentError].
type ReadOption func(*query)

// query is what a read or a subscription asks for.
type query struct {
	given []string

	fromVersion, toVersion, toPosition, maxCount uint64
	direction                                    sluicev1.Direction
	fromTime, toTime                             *timestamppb.Timestamp
	eventTypes, eventTypePrefixes, patterns      []string
	selected                                     *EventQuery
	page                                         *sluicev1.PageHint
	consistency                                  sluicev1.Consistency
	after                                        Cursor
	afterVersion                                 *uint64
	permittedOnly, fromNow, startMustExist       bool
	onUnreadable                                 func(*sluicev1.UnreadableMessage) error

	stream                   string
	heartbeat                time.Duration
	onCaughtUp, onFellBehind func()
	onReconnect              func(error)
}

func option(name string, set func(*query)) ReadOption {
	return func(q *query) {
		q.given = append(q.given, name)
		set(q)
	}
}

// FromVersion reads a stream from a version on, inclusive.
func FromVersion(version uint64) ReadOption {
	return option("FromVersion", func(q *query) { q.fromVersion = version })
}

// ToVersion reads a stream up to a version, inclusive.
func ToVersion(version uint64) ReadOption {
	return option("ToVersion", func(q *query) { q.toVersion = version })
}

// ToPosition reads the store up to a position, inclusive.
func ToPosition(position uint64) ReadOption {
	return option("ToPosition", func(q *query) { q.toPosition = position })
}

// Backward reads from the end to the beginning.
func Backward() ReadOption {
	return option("Backward", func(q *query) { q.direction = sluicev1.Direction_DIRECTION_BACKWARD })
}

// MaxCount reads at most this many events, counted after all filters.
func MaxCount(count uint64) ReadOption {
	return option("MaxCount", func(q *query) { q.maxCount = count })
}

// FromTime selects commits at or after a time.
func FromTime(at time.Time) ReadOption {
	return option("FromTime", func(q *query) { q.fromTime = timestamppb.New(at) })
}

// ToTime selects commits at or before a time.
func ToTime(at time.Time) ReadOption {
	return option("ToTime", func(q *query) { q.toTime = timestamppb.New(at) })
}

// Types selects events of these types.
func Types(types ...string) ReadOption {
	return option("Types", func(q *query) { q.eventTypes = types })
}

// TypePrefixes selects events whose types begin with one of these; together with Types, either.
func TypePrefixes(prefixes ...string) ReadOption {
	return option("TypePrefixes", func(q *query) { q.eventTypePrefixes = prefixes })
}

// Patterns selects streams in NATS notation: "order.*" has one further token, "order.>" one or more. Without it: all streams.
func Patterns(patterns ...string) ReadOption {
	return option("Patterns", func(q *query) { q.patterns = patterns })
}

// Stream follows one stream.
func Stream(name string) ReadOption {
	return option("Stream", func(q *query) { q.stream = name })
}

// After begins after a cursor: that of an earlier read or subscription with the same filters, or AfterPosition.
func After(cursor Cursor) ReadOption {
	return option("After", func(q *query) { q.after = cursor })
}

// AfterVersion begins after a version of the stream that is followed.
func AfterVersion(version uint64) ReadOption {
	return option("AfterVersion", func(q *query) { q.afterVersion = &version })
}

// FromNow begins with the events that are stored after the call has reached the store.
func FromNow() ReadOption {
	return option("FromNow", func(q *query) { q.fromNow = true })
}

// StartMustExist refuses to begin after the end of the store. Without it, a subscription waits until the store has come to its start.
func StartMustExist() ReadOption {
	return option("StartMustExist", func(q *query) { q.startMustExist = true })
}

// PermittedOnly leaves out streams that the caller may not read. Without it, a pattern that is not granted as a whole is refused.
func PermittedOnly() ReadOption {
	return option("PermittedOnly", func(q *query) { q.permittedOnly = true })
}

// AnyReplica reads a stream without asking the leader of the store; the newest commits may be missing.
func AnyReplica() ReadOption {
	return option("AnyReplica", func(q *query) { q.consistency = sluicev1.Consistency_CONSISTENCY_ANY_REPLICA })
}

// Page says how events are packed into messages, at most this many and about this many bytes; 0: the gateway decides. It does not
// change which events are read.
func Page(eventsMax, bytesMax uint32) ReadOption {
	return option("Page", func(q *query) { q.page = &sluicev1.PageHint{EventsMax: eventsMax, BytesMax: bytesMax} })
}

// OnUnreadable skips what cannot be read as a commit, and calls the function with it; its error ends the read. Without it, such a
// message ends the read with an [*UnreadableCommitError].
func OnUnreadable(report func(*sluicev1.UnreadableMessage) error) ReadOption {
	return option("OnUnreadable", func(q *query) { q.onUnreadable = report })
}

// queryOf gives what the options ask for; a call can have those that it names.
func queryOf(call string, options []ReadOption, known ...string) (query, error) {
	var q query
	for _, option := range options {
		option(&q)
	}
	for _, name := range q.given {
		if !slices.Contains(known, name) {
			return q, badArgument("%s has no option %s", call, name)
		}
	}
	return q, nil
}

// Read is a read of events. Each loop over Events makes a call, which ends when the loop is left.
type Read[Head any] struct {
	events iter.Seq2[*RecordedEvent, error]
	head   Head
	at     place
}

// Events gives the events one after the other, or the error with which the read failed, which is the last item. Without one, the
// read is complete.
//
//	for event, err := range read.Events() {
//		if err != nil {
//			return err
//		}
//		...
//	}
func (r *Read[Head]) Events() iter.Seq2[*RecordedEvent, error] { return r.events }

// Head says what the read covers, such as the version of the stream. It is nil until the loop has its first event or has ended.
func (r *Read[Head]) Head() Head { return r.head }

// Cursor says where the loop of a ReadAll is, after its last event: what to store for After.
func (r *Read[Head]) Cursor() Cursor { return r.at.cursor() }

// All gives all events at once.
func (r *Read[Head]) All() ([]*RecordedEvent, error) {
	var all []*RecordedEvent
	for event, err := range r.events {
		if err != nil {
			return nil, err
		}
		all = append(all, event)
	}
	return all, nil
}

// page is a message of a read.
type page[Head any] struct {
	events     []*RecordedEvent
	header     Head
	hasHeader  bool
	end        *sluicev1.ReadEnd
	position   *uint64
	unreadable []*sluicev1.UnreadableMessage
}

// newRead makes a read of the messages of calls. bad: an argument that cannot be sent.
func newRead[Head any](ctx context.Context, bad error, q query, open func(context.Context) (func() (page[Head], error), error)) *Read[Head] {
	r := &Read[Head]{}
	r.events = func(yield func(*RecordedEvent, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := r.run(ctx, bad, q, open, yield); err != nil {
			yield(nil, err)
		}
	}
	return r
}

func (r *Read[Head]) run(ctx context.Context, err error, q query, open func(context.Context) (func() (page[Head], error), error), yield func(*RecordedEvent, error) bool) error {
	if err == nil {
		r.at, err = q.after.place()
	}
	if err != nil {
		return err
	}
	next, err := open(ctx)
	if err != nil {
		return err
	}
	var count uint64
	var end *sluicev1.ReadEnd
	for first := true; ; first = false {
		message, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first && !message.hasHeader {
			return incomplete("it has no header")
		}
		if message.hasHeader {
			r.head = message.header
		}
		for _, event := range message.events {
			r.at.onEvent(event.Position)
			if !yield(event, nil) {
				return nil
			}
			if ctx.Err() != nil { // what has come already is not given to a loop whose context has ended
				return localError(CodeCancelled, codes.Canceled, "the context of the read has ended", context.Cause(ctx))
			}
		}
		for _, one := range message.unreadable {
			if err := q.onUnreadable(one); err != nil {
				return err
			}
		}
		r.at.onPosition(message.position)
		count += uint64(len(message.events))
		end = message.end
	}
	if end == nil {
		return incomplete(fmt.Sprintf("it ended after %d events without its end", count))
	}
	if end.EventCount != count {
		return incomplete(fmt.Sprintf("%d events came, %d were announced", count, end.EventCount))
	}
	return nil
}

func incomplete(what string) error {
	return localError(CodeIncompleteRead, codes.OK, "the read is not complete: "+what, nil)
}

// ReadStream reads a stream as it is when the loop begins, from its first version that is not hidden. A stream that does not exist has no
// events, and is at version 0. Options: FromVersion, ToVersion, Backward, MaxCount, FromTime, ToTime, Types, AnyReplica, Page.
func (c *Client) ReadStream(ctx context.Context, stream string, options ...ReadOption) *Read[*sluicev1.ReadStreamHeader] {
	q, err := queryOf("ReadStream", options, "FromVersion", "ToVersion", "Backward", "MaxCount", "FromTime", "ToTime", "Types",
		"AnyReplica", "Page")
	request := &sluicev1.ReadStreamRequest{Stream: stream, FromVersion: q.fromVersion, ToVersion: q.toVersion, Direction: q.direction,
		MaxCount: q.maxCount, FromTime: q.fromTime, ToTime: q.toTime, EventTypes: q.eventTypes, Page: q.page, Consistency: q.consistency}
	type head = *sluicev1.ReadStreamHeader
	return newRead(ctx, err, q, func(ctx context.Context) (func() (page[head], error), error) {
		call, err := c.store.ReadStream(ctx, request)
		return func() (page[head], error) {
			m, err := call.Recv()
			return page[head]{m.GetEvents(), m.GetHeader(), m.GetHeader() != nil, m.GetEnd(), nil, nil}, err
		}, err
	})
}

// ReadAll reads the whole store, or the streams that match patterns, as it is when the loop begins, in the order of positions. Options:
// Patterns, After, ToPosition, Backward, MaxCount, FromTime, ToTime, Types, TypePrefixes, Query, PermittedOnly, OnUnreadable, Page.
func (c *Client) ReadAll(ctx context.Context, options ...ReadOption) *Read[*sluicev1.ReadAllHeader] {
	q, err := queryOf("ReadAll", options, "Patterns", "After", "ToPosition", "Backward", "MaxCount", "FromTime", "ToTime", "Types",
		"TypePrefixes", "Query", "PermittedOnly", "OnUnreadable", "Page")
	type head = *sluicev1.ReadAllHeader
	var read *Read[head]
	read = newRead(ctx, err, q, func(ctx context.Context) (func() (page[head], error), error) {
		position, count := read.at.sent()
		call, err := c.store.ReadAll(ctx, &sluicev1.ReadAllRequest{Patterns: q.patterns, AfterPosition: position,
			AfterCount: count, StoreId: read.at.storeID, ToPosition: q.toPosition, Direction: q.direction, MaxCount: q.maxCount,
			FromTime: q.fromTime, ToTime: q.toTime, EventTypes: q.eventTypes, EventTypePrefixes: q.eventTypePrefixes, Page: q.page,
			SkipUnreadable: q.onUnreadable != nil, PermittedOnly: q.permittedOnly, Query: q.selected})
		return func() (page[head], error) {
			m, err := call.Recv()
			if err != nil {
				return page[head]{}, err
			}
			if id := m.GetHeader().GetStoreId(); id != "" {
				read.at.storeID = id
			}
			return page[head]{m.GetEvents(), m.GetHeader(), m.GetHeader() != nil, m.GetEnd(), m.Position, m.GetUnreadable()}, err
		}, err
	})
	return read
}

// ReadByCorrelation reads all events with a correlation id, over all streams, in the order of positions. Options: Types, MaxCount,
// OnUnreadable, Page.
func (c *Client) ReadByCorrelation(ctx context.Context, correlationID string, options ...ReadOption) *Read[*sluicev1.ReadByCorrelationHeader] {
	q, err := queryOf("ReadByCorrelation", options, "Types", "MaxCount", "OnUnreadable", "Page")
	request := &sluicev1.ReadByCorrelationRequest{CorrelationId: correlationID, EventTypes: q.eventTypes, MaxCount: q.maxCount,
		Page: q.page, SkipUnreadable: q.onUnreadable != nil}
	type head = *sluicev1.ReadByCorrelationHeader
	return newRead(ctx, err, q, func(ctx context.Context) (func() (page[head], error), error) {
		call, err := c.store.ReadByCorrelation(ctx, request)
		return func() (page[head], error) {
			m, err := call.Recv()
			return page[head]{m.GetEvents(), m.GetHeader(), m.GetHeader() != nil, m.GetEnd(), nil, m.GetUnreadable()}, err
		}, err
	})
}
