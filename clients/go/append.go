package sluice

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// AppendOption is an option of Append, of AppendMulti and of the appends of a session.
type AppendOption interface{ apply(*appendSettings) }

// Expectation says what version a stream must have; it is an option of an append, and of a part of a transaction.
type Expectation func(*appendSettings)

func (e Expectation) apply(s *appendSettings) { e(s) }

type appendOption func(*appendSettings)

func (o appendOption) apply(s *appendSettings) { o(s) }

type appendSettings struct {
	expected   *uint64
	mustExist  bool
	commitID   string
	commitTime bool
	validate   bool
	checks     []*sluicev1.VersionCheck
	condition  *AppendCondition
}

// ExpectVersion expects that the stream is at a version; 0: that it is empty. Without it, the stream may be at any version.
func ExpectVersion(version uint64) Expectation {
	return func(s *appendSettings) { s.expected = proto.Uint64(version) }
}

// ExpectExists expects that the stream has events.
func ExpectExists() Expectation {
	return func(s *appendSettings) { s.mustExist = true }
}

// WithCommitID sets the idempotency key, a UUID. The same events, appended again with the same commit id and the same expected
// version, are stored once, and every append has the first result. Without it, the client makes a UUID v7.
func WithCommitID(id string) AppendOption {
	return appendOption(func(s *appendSettings) { s.commitID = id })
}

// WithCommitTime asks for the time of the commit, which costs one more request to the store.
func WithCommitTime() AppendOption {
	return appendOption(func(s *appendSettings) { s.commitTime = true })
}

// ValidateOnly stores nothing: the call fails as the append would now, or has the versions that it would get, position 0 and no commit
// id. If an earlier append with the same commit id has stored the events, it has the result of that one. It is not for sessions.
func ValidateOnly() AppendOption {
	return appendOption(func(s *appendSettings) { s.validate = true })
}

// CheckVersion makes a transaction expect that a stream which it does not write is at a version; 0: that it is empty.
func CheckVersion(stream string, version uint64) AppendOption {
	return appendOption(func(s *appendSettings) {
		s.checks = append(s.checks, &sluicev1.VersionCheck{Stream: stream, ExpectedVersion: proto.Uint64(version)})
	})
}

// CheckExists makes a transaction expect that a stream which it does not write has events.
func CheckExists(stream string) AppendOption {
	return appendOption(func(s *appendSettings) {
		s.checks = append(s.checks, &sluicev1.VersionCheck{Stream: stream, MustExist: true})
	})
}

func settingsOf(options []AppendOption) (s appendSettings) {
	for _, option := range options {
		option.apply(&s)
	}
	if s.commitID == "" {
		s.commitID = NewID()
	}
	return s
}

// Append appends events to a stream as one commit: all of them, or none. Without events it stores nothing, but checks the version all
// the same. It is sent again, with one commit id, until its outcome is known, see WithAppendAttempts.
//
// It fails with a [*VersionConflictError] if the stream is not as expected, with an [*AppendConditionFailedError] if an event was stored
// that WithCondition rules out, and with an [*OutcomeUnknownError] if the events may or may not be stored.
func (c *Client) Append(ctx context.Context, stream string, events []*Event, options ...AppendOption) (*sluicev1.AppendResponse, error) {
	request, err := c.channel.appendRequest(ctx, stream, events, options)
	if err != nil {
		return nil, err
	}
	return c.store.Append(ctx, request)
}

func (c *channel) appendRequest(ctx context.Context, stream string, events []*Event, options []AppendOption) (*sluicev1.AppendRequest, error) {
	s := settingsOf(options)
	if s.checks != nil {
		return nil, badArgument("CheckVersion and CheckExists are for AppendMulti")
	}
	if s.expected != nil && s.mustExist {
		return nil, badArgument("ExpectVersion and ExpectExists cannot both be given")
	}
	return &sluicev1.AppendRequest{
		Stream:          stream,
		Events:          c.withTrace(ctx, events),
		ExpectedVersion: s.expected,
		MustExist:       s.mustExist,
		CommitId:        s.commitID,
		WithCommitTime:  s.commitTime,
		Condition:       s.condition,
		ValidateOnly:    s.validate,
	}, nil
}

// To makes a part of a transaction: events for one stream, with ExpectVersion or ExpectExists.
func To(stream string, events []*Event, expected ...Expectation) *sluicev1.StreamAppend {
	var s appendSettings
	for _, one := range expected {
		one.apply(&s)
	}
	return &sluicev1.StreamAppend{Stream: stream, Events: events, ExpectedVersion: s.expected, MustExist: s.mustExist}
}

// AppendMulti appends events to several streams in one transaction: all of them are stored, or none. It fails like Append; a
// VersionConflictError has all conflicts.
//
//	client.AppendMulti(ctx, []*sluicev1.StreamAppend{
//		sluice.To("account.1", withdrawn, sluice.ExpectVersion(7)),
//		sluice.To("account.2", deposited),
//	}, sluice.CheckVersion("frozen.account.2", 0))
func (c *Client) AppendMulti(ctx context.Context, appends []*sluicev1.StreamAppend, options ...AppendOption) (*sluicev1.AppendMultiResponse, error) {
	s := settingsOf(options)
	if s.expected != nil || s.mustExist || s.commitTime {
		return nil, badArgument("a transaction has its expected versions in its parts, and no commit time")
	}
	sent := make([]*sluicev1.StreamAppend, len(appends))
	for i, one := range appends {
		sent[i] = &sluicev1.StreamAppend{Stream: one.GetStream(), Events: c.channel.withTrace(ctx, one.GetEvents()),
			ExpectedVersion: one.ExpectedVersion, MustExist: one.GetMustExist()}
	}
	return c.store.AppendMulti(ctx, &sluicev1.AppendMultiRequest{Appends: sent, Checks: s.checks, CommitId: s.commitID,
		Condition: s.condition, ValidateOnly: s.validate})
}

// GetVersion gives the version of a stream, which has every append that was acknowledged before. A stream that does not exist is at
// version 0.
func (c *Client) GetVersion(ctx context.Context, stream string) (*sluicev1.GetVersionResponse, error) {
	return c.store.GetVersion(ctx, &sluicev1.GetVersionRequest{Stream: stream})
}

// GetCommit finds the commit with a commit id: of an append, a transaction, or a change of a stream. Position 0 means that it is not found
// on a stream that the caller may read.
func (c *Client) GetCommit(ctx context.Context, commitID string) (*sluicev1.GetCommitResponse, error) {
	return c.store.GetCommit(ctx, &sluicev1.GetCommitRequest{CommitId: commitID})
}

// ServerInfo describes the gateway, its limits, and the durability of an acknowledged append.
func (c *Client) ServerInfo(ctx context.Context) (*sluicev1.GetServerInfoResponse, error) {
	return c.store.GetServerInfo(ctx, &sluicev1.GetServerInfoRequest{})
}
