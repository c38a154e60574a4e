package sluice

import (
	"context"
	"time"
)

// Handler handles an event of a group, which is done when it returns nil. If it returns an error, the event is retried after a pause,
// and parked after some attempts; ParkEvent, SkipEvent and RetryEvent choose. Its context ends when what it does no longer counts:
// its time is over, another member gets the event, or the call has ended.
type Handler func(ctx context.Context, delivery *Delivery) error

// Delivery is an event that a group has delivered.
type Delivery struct {
	Event *RecordedEvent
	// Attempt is how often the event was tried, this time included. Attempts that ended with a member or its gateway do not count.
	Attempt uint32
	// Redelivered: the event may have been delivered before. Replayed: it comes from the list of parked events.
	Redelivered, Replayed bool

	extend func()
}

// Extend begins the time again that the handler may take, the ack_timeout of the group.
func (d *Delivery) Extend() { d.extend() }

// ParkEvent is returned by a handler for an event that can never be handled. The reason is for people: the list of parked events has it.
type ParkEvent struct{ Reason string }

func (e *ParkEvent) Error() string { return e.Reason }

// SkipEvent is returned by a handler for an event that does not matter.
type SkipEvent struct{}

func (e *SkipEvent) Error() string { return "skipped" }

// RetryEvent is returned by a handler for an event that is to be retried, like after any other error, but after a delay at least, up to
// one hour.
type RetryEvent struct {
	Delay time.Duration
	Err   error
}

func (e *RetryEvent) Error() string {
	if e.Err == nil {
		return "retried later"
	}
	return e.Err.Error()
}

// Unwrap gives the error that the handler has met.
func (e *RetryEvent) Unwrap() error { return e.Err }
