package sluice

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

var (
	errLate    = errors.New("the handler took longer than the group permits")
	errRevoked = errors.New("another member gets the lane")
	errEnded   = errors.New("the call has ended")
)

// task is a delivery that a member has.
type task struct {
	member     *member
	delivery   *sluicev1.Delivery
	ackTimeout time.Duration
	// since is when the time that it may take has begun.
	since  time.Time
	urgent bool
	// ctx ends when what becomes of it no longer counts.
	ctx  context.Context
	lose context.CancelCauseFunc
}

func (t *task) stream() string { return t.delivery.Events[0].GetStream() }

// run handles the events in order, up to one that fails, and settles the delivery.
func (t *task) run(handler Handler, onFailed func(error, *RecordedEvent)) {
	for handled, event := range t.delivery.Events {
		if t.ctx.Err() != nil {
			return
		}
		err, isLate := t.handle(handler, handled, event)
		if err != nil && onFailed != nil {
			onFailed(err, event)
		}
		if t.ctx.Err() != nil {
			return
		}
		if err != nil {
			t.member.fail(t.delivery.Id, uint32(handled), err)
			return
		}
		if isLate && handled+1 < len(t.delivery.Events) {
			return // the gateway delivers the rest again
		}
	}
	t.member.ack(t.delivery.Id)
}

// handle gives each event nearly all of the time, however long those before it took, or the delivery has waited.
func (t *task) handle(handler Handler, handled int, event *RecordedEvent) (err error, isLate bool) {
	ctx, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	if time.Since(t.since) > t.ackTimeout/5 {
		t.extend()
	}
	timer := time.AfterFunc(t.ackTimeout, func() { cancel(errLate) })
	defer timer.Stop()
	d := &Delivery{Event: event, Attempt: 1, Redelivered: t.delivery.Redelivered, Replayed: t.delivery.Replayed}
	if handled == 0 {
		d.Attempt = t.delivery.Attempt
	}
	d.extend = func() {
		if ctx.Err() == nil {
			timer.Reset(t.ackTimeout)
			t.member.extend([]uint64{t.delivery.Id})
		}
	}
	err = handler(ctx, d)
	return err, context.Cause(ctx) == errLate
}

func (t *task) extend() {
	t.since = time.Now()
	t.member.extend([]uint64{t.delivery.Id})
}

// deliveries are those that wait for a handler or have one, over all calls of a member: so that two of one stream are never handled side
// by side, even if the first one was lost.
type deliveries struct {
	handler     Handler
	onFailed    func(error, *RecordedEvent)
	concurrency int

	mu      sync.Mutex
	waiting []*task
	running map[string]*task
	handled sync.WaitGroup
}

func (q *deliveries) add(tasks []*task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, tasks...)
	q.start()
}

// start gives handlers what can have one. Called with the lock.
func (q *deliveries) start() {
	for len(q.running) < q.concurrency {
		at := q.next()
		if at < 0 {
			return
		}
		t := q.waiting[at]
		q.waiting = slices.Delete(q.waiting, at, at+1)
		q.running[t.stream()] = t
		q.handled.Go(func() {
			t.run(q.handler, q.onFailed)
			q.mu.Lock()
			defer q.mu.Unlock()
			t.lose(nil)
			delete(q.running, t.stream())
			q.start()
		})
	}
}

// next gives the first delivery whose stream is free, of a lane that another member waits for if there is one.
func (q *deliveries) next() int {
	first := -1
	for i, t := range q.waiting {
		if q.running[t.stream()] != nil {
			continue
		}
		if t.urgent {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

// lose drops deliveries that no longer count; the contexts of their handlers end.
func (q *deliveries) lose(isLost func(*task) bool, cause error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.running {
		if isLost(t) {
			t.lose(cause)
		}
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(t *task) bool {
		if isLost(t) {
			t.lose(cause)
			return true
		}
		return false
	})
}

func (q *deliveries) hurry(isUrgent func(*task) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.waiting {
		t.urgent = t.urgent || isUrgent(t)
	}
}

// extendWaiting gives the ids of a member's deliveries that have no handler yet, and begins their time again.
func (q *deliveries) extendWaiting(m *member) (ids []uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.waiting {
		if t.member == m {
			t.since = time.Now()
			ids = append(ids, t.delivery.Id)
		}
	}
	return ids
}
