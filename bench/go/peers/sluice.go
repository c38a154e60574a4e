package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// connections are what each gRPC client has: a single one is the bottleneck of a client with 64 callers.
const connections = 2

type sluice struct {
	clients [connections]sluicev1.EventStoreServiceClient
	next    atomic.Uint32
	session *session
}

func openSluice(address string) *sluice {
	opened := &sluice{}
	for i, conn := range dial(address) {
		opened.clients[i] = sluicev1.NewEventStoreServiceClient(conn)
	}
	return opened
}

func dial(address string) (opened [connections]*grpc.ClientConn) {
	for i := range opened {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		check(err)
		conn.Connect()
		opened[i] = conn
	}
	return opened
}

func (s *sluice) client() sluicev1.EventStoreServiceClient {
	return s.clients[s.next.Add(1)%connections]
}

// fill pipelines appends over one session.
func (s *sluice) fill(commits []commit) error {
	const pendingMax = 1_000
	session, err := s.client().AppendSession(context.Background())
	if err != nil {
		return err
	}
	places := make(chan struct{}, pendingMax)
	sent := make(chan error, 1)
	go func() {
		for tag, one := range commits {
			places <- struct{}{}
			request := &sluicev1.AppendRequest{Stream: one.stream, Events: []*sluicev1.Event{toEvent(one)}}
			appends := []*sluicev1.SessionAppend{{Tag: uint64(tag), Append: request}}
			if err := session.Send(&sluicev1.AppendSessionRequest{Appends: appends}); err != nil {
				sent <- err
				return
			}
		}
		sent <- session.CloseSend()
	}()
	for answered := 0; answered < len(commits); {
		response, err := session.Recv()
		if err != nil {
			return err
		}
		for _, answer := range response.Answers {
			if answer.GetError() != nil {
				return errors.New(answer.GetError().Message)
			}
			<-places
			answered++
		}
	}
	return <-sent
}

func toEvent(one commit) *sluicev1.Event {
	return &sluicev1.Event{
		Id:            one.id,
		Type:          eventType,
		Payload:       &sluicev1.Event_Text{Text: text},
		ContentType:   "application/json",
		CorrelationId: one.correlationID,
		CausationId:   one.id,
		Tags:          one.tags,
	}
}

func (s *sluice) append(one commit, version uint64) error {
	events := []*sluicev1.Event{toEvent(one)}
	request := &sluicev1.AppendRequest{Stream: one.stream, Events: events, ExpectedVersion: &version}
	response, err := s.client().Append(context.Background(), request)
	if err == nil && response.Version != version+1 {
		return errors.New("a wrong version")
	}
	return err
}

func (s *sluice) read(stream string, anyReplica bool) (int, error) {
	request := &sluicev1.ReadStreamRequest{Stream: stream}
	if anyReplica {
		request.Consistency = sluicev1.Consistency_CONSISTENCY_ANY_REPLICA
	}
	return count(s.client().ReadStream(context.Background(), request))
}

func (s *sluice) readAll() (int, error) {
	return count(s.client().ReadAll(context.Background(), &sluicev1.ReadAllRequest{}))
}

func (s *sluice) subscribeAll(events int) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	messages, err := s.client().Subscribe(ctx, &sluicev1.SubscribeRequest{})
	return countUpTo(events, messages, err)
}

func (s *sluice) readByCorrelation(id string) (int, error) {
	request := &sluicev1.ReadByCorrelationRequest{CorrelationId: id}
	return count(s.client().ReadByCorrelation(context.Background(), request))
}

func (s *sluice) version(stream string) (uint64, error) {
	response, err := s.client().GetVersion(context.Background(), &sluicev1.GetVersionRequest{Stream: stream})
	return response.GetVersion(), err
}

func (s *sluice) follow(ready func(), onEvent func(string)) error {
	messages, err := s.client().Subscribe(context.Background(), &sluicev1.SubscribeRequest{FromNow: true})
	for isLive := false; err == nil; {
		var message *sluicev1.SubscribeResponse
		if message, err = messages.Recv(); err != nil {
			break
		}
		if message.GetCaughtUp() != nil && !isLive {
			isLive = true
			ready()
		}
		for _, event := range message.Events {
			onEvent(event.Id)
		}
	}
	return fmt.Errorf("the subscription: %w", err)
}

// countUpTo takes messages until so many events have come.
func countUpTo[Message withEvents[Event], Event any](most int, messages interface{ Recv() (Message, error) }, err error) (int, error) {
	events := 0
	for err == nil && events < most {
		var message Message
		if message, err = messages.Recv(); err == nil {
			events += len(message.GetEvents())
		}
	}
	return events, err
}

type withEvents[Event any] interface {
	GetEvents() []Event
}

// count takes all messages of a read.
func count[Message withEvents[Event], Event any](messages interface{ Recv() (Message, error) }, err error) (int, error) {
	events := 0
	for err == nil {
		var message Message
		if message, err = messages.Recv(); err == nil {
			events += len(message.GetEvents())
		}
	}
	if errors.Is(err, io.EOF) {
		return events, nil
	}
	return 0, err
}
