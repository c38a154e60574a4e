package sluice

import (
	"context"
	"errors"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// EventQuery selects the events that match any of its items, 1 to 64; QueryItem those that have one of its types and all of its tags, one
// of which may be left out. AppendCondition rules out that an event which its query selects was stored after a position.
type (
	EventQuery      = sluicev1.Query
	QueryItem       = sluicev1.QueryItem
	AppendCondition = sluicev1.AppendCondition
)

// Query selects events by their types and tags, found by an index where each item has tags.
func Query(selected *EventQuery) ReadOption {
	return option("Query", func(q *query) { q.selected = selected })
}

// WithCondition stores the append, or the transaction, only if no event that the query of the condition selects has been stored after its
// position: that of the head of the read that the decision is based on; 0: ever. RetryOnCondition makes one. nil: no condition.
func WithCondition(condition *AppendCondition) AppendOption {
	return appendOption(func(s *appendSettings) { s.condition = condition })
}

// RetryOnCondition reads the events of a query, decides and appends, and starts again when somebody has stored an event of the query in
// between:
//
//	query := &sluice.EventQuery{Items: []*sluice.QueryItem{{Tags: []string{"course:math"}}}}
//	decide := func(ctx context.Context, events []*sluice.RecordedEvent, condition *sluice.AppendCondition) error {
//		_, err := client.Append(ctx, "student.ada", enrol(events), sluice.WithCondition(condition))
//		return err
//	}
//	err := sluice.RetryOnCondition(ctx, client, query, decide)
//
// decide gets all events that the query selects, in order, and the condition to append with. It may append to any streams. It is called at
// most 10 times. RetryOnCondition returns its last error, and at once every error that is not an [*AppendConditionFailedError], a
// [*VersionConflictError], or one with CodeConditionContended.
func RetryOnCondition(ctx context.Context, client *Client, query *EventQuery, decide Decision) error {
	return RetryOnConditionUpTo(ctx, retriesDefault, client, query, decide)
}

// Decision appends on a condition what it decides about events.
type Decision func(ctx context.Context, events []*RecordedEvent, condition *AppendCondition) error

// RetryOnConditionUpTo is RetryOnCondition with another number of attempts, 1 or more.
func RetryOnConditionUpTo(ctx context.Context, attemptsMax int, client *Client, query *EventQuery, decide Decision) error {
	var all []*RecordedEvent
	var after uint64
	return retryUpTo(ctx, attemptsMax, isOutdated, func(ctx context.Context) error {
		// A later attempt needs only what came since.
		read := client.ReadAll(ctx, Query(query), After(AfterPosition(after)))
		more, err := read.All()
		if err != nil {
			return err
		}
		all, after = append(all, more...), read.Head().GetPosition()
		// What decide does with its events and its condition is not seen by a later attempt.
		return decide(ctx, all[:len(all):len(all)], &AppendCondition{Query: query, AfterPosition: after})
	})
}

// isOutdated says whether an append came too late for what it was based on.
func isOutdated(err error) bool {
	var failed *AppendConditionFailedError
	return errors.As(err, &failed) || isConflict(err) || CodeOf(err) == CodeConditionContended
}
