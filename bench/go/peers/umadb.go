package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	umadbv1 "example.com/shop/gen/umadb"
)

// umaDB keeps one sequence of events; the name of a stream and a correlation id are tags.
type umaDB struct {
	clients [connections]umadbv1.DCBClient
	next    atomic.Uint32
}

func openUmaDB(address string) *umaDB {
	opened := &umaDB{}
	for i, conn := range dial(address) {
		opened.clients[i] = umadbv1.NewDCBClient(conn)
	}
	return opened
}

func (u *umaDB) client() umadbv1.DCBClient {
	return u.clients[u.next.Add(1)%connections]
}

func (u *umaDB) fill(commits []commit) error {
	const together = 1_000
	for len(commits) > 0 {
		some := commits[:min(together, len(commits))]
		commits = commits[len(some):]
		request := &umadbv1.AppendRequest{}
		for _, one := range some {
			request.Events = append(request.Events, toUmaEvent(one))
		}
		if _, err := u.client().Append(context.Background(), request); err != nil {
			return err
		}
	}
	return nil
}

func toUmaEvent(one commit) *umadbv1.Event {
	tags := one.tags
	if tags == nil {
		tags = []string{one.stream, one.correlationID}
	}
	return &umadbv1.Event{Uuid: one.id, EventType: eventType, Data: []byte(text), Tags: tags}
}

func (u *umaDB) append(one commit, version uint64) error {
	if version != 0 {
		return errors.New("only for new streams")
	}
	request := &umadbv1.AppendRequest{
		Events:    []*umadbv1.Event{toUmaEvent(one)},
		Condition: &umadbv1.AppendCondition{FailIfEventsMatch: tagged(one.stream)},
	}
	_, err := u.client().Append(context.Background(), request)
	return err
}

func (u *umaDB) read(stream string, _ bool) (int, error) {
	return u.query(tagged(stream))
}

func (u *umaDB) readAll() (int, error) {
	return u.query(nil)
}

func (u *umaDB) subscribeAll(events int) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	messages, err := u.client().Subscribe(ctx, &umadbv1.SubscribeRequest{})
	return countUpTo(events, messages, err)
}

func (u *umaDB) readByCorrelation(id string) (int, error) {
	return u.query(tagged(id))
}

func (u *umaDB) query(query *umadbv1.Query) (int, error) {
	return count(u.client().Read(context.Background(), &umadbv1.ReadRequest{Query: query}))
}

func tagged(tag string) *umadbv1.Query {
	return &umadbv1.Query{Items: []*umadbv1.QueryItem{{Tags: []string{tag}}}}
}

func (u *umaDB) appendIf(one commit, tag string, after uint64) (uint64, bool, error) {
	condition := &umadbv1.AppendCondition{FailIfEventsMatch: tagged(tag)}
	if after > 0 {
		condition.After = &after
	}
	request := &umadbv1.AppendRequest{Events: []*umadbv1.Event{toUmaEvent(one)}, Condition: condition}
	response, err := u.client().Append(context.Background(), request)
	// To grpc-go its details are not those of a status, so that the code is lost.
	if err != nil && strings.Contains(err.Error(), "condition failed") {
		return 0, true, nil
	}
	return response.GetPosition(), false, err
}

func (u *umaDB) inSession(one commit, tag string, after uint64) (uint64, bool, error) {
	return u.appendIf(one, tag, after)
}

func (u *umaDB) appendAny(one commit) error {
	request := &umadbv1.AppendRequest{Events: []*umadbv1.Event{toUmaEvent(one)}}
	_, err := u.client().Append(context.Background(), request)
	return err
}

func (u *umaDB) look(tag string, after uint64) (uint64, error) {
	start := after + 1
	messages, err := u.client().Read(context.Background(), &umadbv1.ReadRequest{Query: tagged(tag), Start: &start})
	head := after
	for err == nil {
		var message *umadbv1.ReadResponse
		if message, err = messages.Recv(); err == nil {
			head = max(head, message.GetHead())
		}
	}
	if errors.Is(err, io.EOF) {
		return head, nil
	}
	return 0, err
}

func (u *umaDB) readByTags(tags []string) (int, error) {
	return u.query(&umadbv1.Query{Items: []*umadbv1.QueryItem{{Tags: tags}}})
}

func (u *umaDB) version(string) (uint64, error) {
	return 0, errNotThere
}

func (u *umaDB) follow(ready func(), onEvent func(string)) error {
	head, err := u.client().Head(context.Background(), &umadbv1.HeadRequest{})
	if err != nil {
		return err
	}
	messages, err := u.client().Subscribe(context.Background(), &umadbv1.SubscribeRequest{After: head.Position})
	if err == nil {
		// It says nothing before there are events.
		ready()
	}
	for err == nil {
		var message *umadbv1.SubscribeResponse
		if message, err = messages.Recv(); err != nil {
			break
		}
		for _, event := range message.Events {
			onEvent(event.Event.Uuid)
		}
	}
	return fmt.Errorf("the subscription: %w", err)
}
