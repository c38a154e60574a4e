package sluice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

const (
	// idsMax: Ack.deliveries and Extend.deliveries have at most this many.
	idsMax = 10_000
	// memberExistsMax: a gateway that has lost a member needs this long at most until another one accepts its id.
	memberExistsMax = time.Minute
)

// ConsumeOption is an option of Consume.
type ConsumeOption func(*consumer)

// Concurrency sets how many events, of different streams, are handled at a time. Default: 1.
func Concurrency(events int) ConsumeOption {
	return func(c *consumer) { c.queue.concurrency = events }
}

// MaxInFlight sets how many deliveries the gateway sends ahead. Default: twice the concurrency.
func MaxInFlight(deliveries uint32) ConsumeOption {
	return func(c *consumer) { c.maxInFlight = deliveries }
}

// MemberID sets the id of the member, which no other member of the group may have. Without it, the gateway makes one.
func MemberID(id string) ConsumeOption {
	return func(c *consumer) { c.id = id }
}

// MemberHeartbeat is Heartbeat for a member.
func MemberHeartbeat(interval time.Duration) ConsumeOption {
	return func(c *consumer) { c.heartbeat = interval }
}

// OnJoined is called each time that the member has joined.
func OnJoined(call func(*sluicev1.Joined)) ConsumeOption {
	return func(c *consumer) { c.onJoined = call }
}

// OnGroupCaughtUp is called when nothing of the lanes of the member is left to deliver.
func OnGroupCaughtUp(call func()) ConsumeOption {
	return func(c *consumer) { c.onCaughtUp = call }
}

// OnFailed is called when a handler has returned an error, by the goroutine of the handler.
func OnFailed(call func(error, *RecordedEvent)) ConsumeOption {
	return func(c *consumer) { c.queue.onFailed = call }
}

// OnRefused is called when what a handler did came too late: the error has CodeDeliveryNotHeld, and the event comes again.
func OnRefused(call func(error)) ConsumeOption {
	return func(c *consumer) { c.onRefused = call }
}

// OnRejoin is called when the call has ended, and the member is about to join again.
func OnRejoin(call func(error)) ConsumeOption {
	return func(c *consumer) { c.onRejoin = call }
}

// consumer is a member of a group over all its calls.
type consumer struct {
	client      *Client
	group, id   string
	maxInFlight uint32
	heartbeat   time.Duration
	onJoined    func(*sluicev1.Joined)
	onCaughtUp  func()
	onRefused   func(error)
	onRejoin    func(error)
	queue       deliveries
}

// Consume handles the events of a group, which shares them among its members: each event goes to one of them, and those of a stream come
// in order. It joins, and joins again whenever a gateway or a connection goes away. When the context ends, it stops: no more events
// come, the handlers under way finish what they have, and it returns nil.
//
// Delivery is at least once: an event may come again after its handler has returned. A handler whose effect must not happen twice stores
// the version of the event with the effect; docs/groups.md shows how.
//
// It fails with an error that does not pass, such as CodeGroupNotFound, CodeGroupAheadOfStore, CodeMemberExists, CodeMemberStalled, an
// [*UnreadableCommitError] or an [*AccessDeniedError]; and with CodeCancelled after Close. It returns when all handlers have.
func (c *Client) Consume(ctx context.Context, group string, handler Handler, options ...ConsumeOption) error {
	consumer := &consumer{client: c, group: group, heartbeat: heartbeatDefault}
	consumer.queue = deliveries{handler: handler, concurrency: 1, running: map[string]*task{}}
	for _, option := range options {
		option(consumer)
	}
	if consumer.queue.concurrency < 1 {
		return badArgument("Concurrency needs at least 1; found %d", consumer.queue.concurrency)
	}
	if consumer.maxInFlight == 0 {
		consumer.maxInFlight = uint32(2 * consumer.queue.concurrency)
	}
	defer consumer.queue.handled.Wait()
	return consumer.untilStopped(ctx)
}

func (c *consumer) untilStopped(stop context.Context) error {
	channel := c.client.channel
	var endedAt time.Time
	for failures := 0; ; failures++ {
		if channel.closed.Err() != nil {
			return errClosed
		}
		if stop.Err() != nil {
			return nil
		}
		m := &member{consumer: c, wake: make(chan struct{}, 1)}
		err := m.run(stop)
		if channel.closed.Err() != nil {
			return errClosed
		}
		if err == nil {
			return nil
		}
		var refused *UnauthenticatedError
		passes := mayPass(err) || channel.tokens != nil && m.hasJoined && errors.As(err, &refused)
		if stop.Err() != nil && (!m.hasJoined || passes) {
			return nil
		}
		if m.hasJoined {
			failures, endedAt = 0, time.Now()
		}
		// The gateway may not have noticed yet that the call before this one has ended.
		isOwnID := CodeOf(err) == CodeMemberExists && time.Since(endedAt) < memberExistsMax
		if !passes && !isOwnID {
			return err
		}
		if c.onRejoin != nil {
			c.onRejoin(err)
		}
		_ = resumePause(stop, failures)
	}
}

// member is one call of Consume, from joining to its end.
type member struct {
	consumer  *consumer
	hasJoined bool
	settings  *sluicev1.GroupSettings
	wake      chan struct{}

	mu       sync.Mutex
	requests []*sluicev1.ConsumeRequest
	acked    []uint64
}

// run gives nil if the member has left, on request.
func (m *member) run(stop context.Context) error {
	c := m.consumer
	channel := c.client.channel
	ctx, end := channel.untilClosed(context.WithoutCancel(stop))
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer c.queue.lose(func(t *task) bool { return t.member == m }, errEnded)

	silence := missedMax * c.heartbeat
	used := channel.present()
	timer := time.AfterFunc(silence, func() {
		channel.leave(used)
		message := fmt.Sprintf("nothing has come from the gateway for %s", silence)
		cancel(localError(CodeUnavailable, codes.Unavailable, message, nil))
	})
	defer timer.Stop()

	call, err := c.client.Groups().Consume(ctx)
	if err != nil {
		return m.endOf(ctx, err)
	}
	m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Join{Join: &sluicev1.Join{Group: c.group, Member: c.id,
		MaxInFlight: c.maxInFlight, HeartbeatInterval: durationpb.New(c.heartbeat)}}})
	go m.sendAll(ctx, call.Send)

	stopJoining := context.AfterFunc(stop, func() { cancel(errStopped) })
	defer stopJoining()
	for {
		message, err := call.Recv()
		if errors.Is(err, io.EOF) && m.hasJoined && stop.Err() != nil {
			return nil
		}
		if err != nil {
			return m.endOf(ctx, err)
		}
		timer.Reset(silence)
		if joined := message.GetJoined(); joined != nil {
			if !stopJoining() {
				return errStopped
			}
			m.hasJoined, m.settings = true, joined.Settings
			defer context.AfterFunc(stop, func() {
				m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Leave{Leave: &sluicev1.Leave{}}})
			})()
			ticker := time.NewTicker(max(time.Millisecond, m.ackTimeout()/3))
			defer ticker.Stop()
			go m.extendWaiting(ctx, ticker.C)
		}
		m.take(ctx, message)
	}
}

// endOf is how a call has ended: because of what has ended its context, if it was this side.
func (m *member) endOf(ctx context.Context, err error) error {
	var silent *CallError
	if cause := context.Cause(ctx); errors.As(cause, &silent) {
		return silent
	}
	if errors.Is(err, io.EOF) {
		return localError(CodeUnavailable, codes.Unavailable, "the gateway has ended the call although no one left", nil)
	}
	return err
}

func (m *member) ackTimeout() time.Duration { return m.settings.GetAckTimeout().AsDuration() }

func (m *member) take(ctx context.Context, message *sluicev1.ConsumeResponse) {
	c := m.consumer
	switch notice := message.Notice.(type) {
	case *sluicev1.ConsumeResponse_Joined:
		if c.onJoined != nil {
			c.onJoined(notice.Joined)
		}
	case *sluicev1.ConsumeResponse_Revoked:
		m.onRevoked(ctx, notice.Revoked)
	case *sluicev1.ConsumeResponse_Refused:
		if c.onRefused != nil {
			c.onRefused(newFailure(status.FromProto(notice.Refused.GetError()), nil).asError(nil))
		}
	case *sluicev1.ConsumeResponse_CaughtUp:
		if c.onCaughtUp != nil {
			c.onCaughtUp()
		}
	}
	var tasks []*task
	for _, delivery := range message.Deliveries {
		if len(delivery.Events) == 0 {
			continue
		}
		t := &task{member: m, delivery: delivery, ackTimeout: m.ackTimeout(), since: time.Now()}
		t.ctx, t.lose = context.WithCancelCause(context.WithoutCancel(ctx))
		tasks = append(tasks, t)
	}
	c.queue.add(tasks)
}

func (m *member) onRevoked(ctx context.Context, revoked *sluicev1.Revoked) {
	isOfThem := func(t *task) bool { return t.member == m && slices.Contains(revoked.Lanes, t.delivery.Lane) }
	queue := &m.consumer.queue
	if revoked.Timeout == nil {
		queue.lose(isOfThem, errRevoked)
		return
	}
	queue.hurry(isOfThem)
	// What it has of the lane now; the lane may come back.
	var held []*task
	queue.lose(func(t *task) bool {
		if isOfThem(t) {
			held = append(held, t)
		}
		return false
	}, nil)
	timer := time.AfterFunc(revoked.Timeout.AsDuration(), func() {
		queue.lose(func(t *task) bool { return slices.Contains(held, t) }, errRevoked)
	})
	context.AfterFunc(ctx, func() { timer.Stop() })
}

func (m *member) extendWaiting(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-tick:
			for ids := range slices.Chunk(m.consumer.queue.extendWaiting(m), idsMax) {
				m.extend(ids)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (m *member) ack(id uint64) {
	m.mu.Lock()
	m.acked = append(m.acked, id)
	m.mu.Unlock()
	m.wakeUp()
}

func (m *member) extend(ids []uint64) {
	m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Extend{Extend: &sluicev1.Extend{Deliveries: ids}}})
}

// fail says that the event after the first handled ones of a delivery failed.
func (m *member) fail(id uint64, handled uint32, err error) {
	var park *ParkEvent
	var skip *SkipEvent
	var retry *RetryEvent
	reason := strings.ToValidUTF8(err.Error(), "\uFFFD")
	switch {
	case errors.As(err, &skip):
		m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Skip{Skip: &sluicev1.Skip{Delivery: id, Handled: handled}}})
	case errors.As(err, &park):
		m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Park{
			Park: &sluicev1.Park{Delivery: id, Handled: handled, Reason: reason}}})
	default:
		again := &sluicev1.Retry{Delivery: id, Handled: handled, Reason: reason}
		if errors.As(err, &retry) {
			again.Delay = durationpb.New(retry.Delay)
		}
		m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Retry{Retry: again}})
	}
}

func (m *member) send(request *sluicev1.ConsumeRequest) {
	m.mu.Lock()
	m.requests = append(m.requests, request)
	m.mu.Unlock()
	m.wakeUp()
}

func (m *member) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// sendAll sends what waits, until the call ends. What is acknowledged meanwhile goes together.
func (m *member) sendAll(ctx context.Context, send func(*sluicev1.ConsumeRequest) error) {
	for {
		m.mu.Lock()
		requests, acked := m.requests, m.acked
		m.requests, m.acked = nil, nil
		m.mu.Unlock()
		for ids := range slices.Chunk(acked, idsMax) {
			requests = append(requests, &sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Ack{Ack: &sluicev1.Ack{Deliveries: ids}}})
		}
		for _, request := range requests {
			if send(request) != nil {
				return // Recv learns why
			}
		}
		if len(requests) > 0 {
			continue
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}
