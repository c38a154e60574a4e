package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc/status"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

func (s *sluice) appendIf(one commit, tag string, after uint64) (uint64, bool, error) {
	response, err := s.client().Append(context.Background(), conditional(one, tag, after))
	if err != nil && isConditionFailed(status.Convert(err).Details()) {
		return 0, true, nil
	}
	return response.GetPosition(), false, err
}

func isConditionFailed(details []any) bool {
	return slices.ContainsFunc(details, func(detail any) bool {
		_, isFailed := detail.(*sluicev1.AppendConditionFailed)
		return isFailed
	})
}

func conditional(one commit, tag string, after uint64) *sluicev1.AppendRequest {
	return &sluicev1.AppendRequest{
		Stream:    one.stream,
		Events:    []*sluicev1.Event{toEvent(one)},
		Condition: &sluicev1.AppendCondition{Query: withTags(tag), AfterPosition: after},
	}
}

func withTags(tags ...string) *sluicev1.Query {
	return &sluicev1.Query{Items: []*sluicev1.QueryItem{{Tags: tags}}}
}

func (s *sluice) appendAny(one commit) error {
	request := &sluicev1.AppendRequest{Stream: one.stream, Events: []*sluicev1.Event{toEvent(one)}}
	_, err := s.client().Append(context.Background(), request)
	return err
}

func (s *sluice) look(tag string, after uint64) (uint64, error) {
	request := &sluicev1.ReadAllRequest{Query: withTags(tag), AfterPosition: &after}
	messages, err := s.client().ReadAll(context.Background(), request)
	position := after
	for err == nil {
		var message *sluicev1.ReadAllResponse
		if message, err = messages.Recv(); err == nil && message.GetHeader() != nil {
			position = max(position, message.GetHeader().GetPosition())
		}
	}
	if errors.Is(err, io.EOF) {
		return position, nil
	}
	return 0, err
}

func (s *sluice) readByTags(tags []string) (int, error) {
	return count(s.client().ReadAll(context.Background(), &sluicev1.ReadAllRequest{Query: withTags(tags...)}))
}

// session sends the appends of many callers over one call.
type session struct {
	mutex   sync.Mutex
	call    sluicev1.EventStoreService_AppendSessionClient
	waiting map[uint64]chan *sluicev1.SessionAnswer
	last    uint64
}

func (s *sluice) inSession(one commit, tag string, after uint64) (uint64, bool, error) {
	answer, err := s.opened().append(conditional(one, tag, after))
	if err != nil {
		return 0, false, err
	}
	if failed := answer.GetError(); failed != nil {
		failure := status.FromProto(failed)
		return 0, isConditionFailed(failure.Details()), failure.Err()
	}
	return answer.GetResult().GetPosition(), false, nil
}

func (s *sluice) opened() *session {
	opening.Lock()
	defer opening.Unlock()
	if s.session == nil {
		call, err := s.client().AppendSession(context.Background())
		check(err)
		s.session = &session{call: call, waiting: map[uint64]chan *sluicev1.SessionAnswer{}}
		go s.session.receive()
	}
	return s.session
}

var opening sync.Mutex

func (s *session) append(request *sluicev1.AppendRequest) (*sluicev1.SessionAnswer, error) {
	answer := make(chan *sluicev1.SessionAnswer, 1)
	s.mutex.Lock()
	s.last++
	s.waiting[s.last] = answer
	appends := []*sluicev1.SessionAppend{{Tag: s.last, Append: request}}
	err := s.call.Send(&sluicev1.AppendSessionRequest{Appends: appends})
	s.mutex.Unlock()
	if err != nil {
		return nil, fmt.Errorf("the session: %w", err)
	}
	return <-answer, nil
}

func (s *session) receive() {
	for {
		response, err := s.call.Recv()
		check(err)
		s.mutex.Lock()
		for _, answer := range response.Answers {
			s.waiting[answer.Tag] <- answer
			delete(s.waiting, answer.Tag)
		}
		s.mutex.Unlock()
	}
}
