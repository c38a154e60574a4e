package sluice

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

const (
	// eraseEventsMax is ServerLimits.erase_events_max; no commit has more events either.
	eraseEventsMax = 10_000
	// erasePieceEvents is the first try for a piece of a longer range, which mostly has to grow by a part of a commit.
	erasePieceEvents = 1_000
)

// EraseEvents erases the contents of events for good, as the stub of Streams does; but more than 10,000 events as well, by as many calls as
// it takes. Then the request must have no commit id, and after an error the first of the events may be erased. To repeat the whole is safe:
// what is erased stays so.
//
// It fails with a [*StreamError] whose code is CodeEraseSplitsCommit if the range does not cover whole commits, CodeVersionBeyondEnd if the
// stream ends before it does, or CodeStoreImmutable if the store does not permit it.
func (c *Client) EraseEvents(ctx context.Context, request *sluicev1.EraseEventsRequest) (*sluicev1.EraseEventsResponse, error) {
	from, to := request.GetFromVersion(), request.GetToVersion()
	if to < from || to-from < eraseEventsMax {
		return c.Streams().EraseEvents(ctx, request)
	}
	if request.GetCommitId() != "" {
		return nil, badArgument("CommitId is for one call, which erases at most %d events", eraseEventsMax)
	}
	for changed := false; ; {
		done, end, err := c.erasePiece(ctx, request, from)
		if err != nil {
			return nil, err
		}
		changed = changed || done.Changed
		if end == to {
			done.Changed = changed
			return done, nil
		}
		from = end + 1
	}
}

// erasePiece erases the part of a range that begins at a version, up to the end of a commit, which it gives.
func (c *Client) erasePiece(ctx context.Context, whole *sluicev1.EraseEventsRequest, from uint64) (*sluicev1.EraseEventsResponse, uint64, error) {
	events := uint64(erasePieceEvents)
	for to := min(from+events-1, whole.ToVersion); ; {
		request := proto.CloneOf(whole)
		request.FromVersion, request.ToVersion = from, to
		done, err := c.Streams().EraseEvents(ctx, request)
		var split *StreamError
		if err == nil || !errors.As(err, &split) || split.Code != CodeEraseSplitsCommit ||
			split.FromVersion != from || split.ToVersion <= to || split.ToVersion > whole.ToVersion {
			return done, to, err
		}
		switch {
		case split.ToVersion-from < eraseEventsMax:
			to = split.ToVersion
		case events == 1:
			return nil, to, err
		default: // The last commit is a large one: it comes next, if the piece ends before it.
			events /= 2
			to = from + events - 1
		}
	}
}
