// Sends the e-mails of a shop as a member of a consumer group, with stubs of buf, protoc-gen-go and protoc-gen-go-grpc.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	sluicev1 "example.com/order-emails/gen/sluice/v1"
)

const (
	group     = "order-emails"
	heartbeat = 5 * time.Second
	silence   = 15 * time.Second // without a message, a connection counts as dead
)

var subjects = map[string]string{
	"OrderPlaced":  "Thank you for your order",
	"OrderShipped": "Your order is on its way",
}

// passing has what Consume ends with when the gateway or the connection went away: another call may succeed.
var passing = []codes.Code{codes.Unavailable, codes.Internal, codes.Unknown, codes.Canceled, codes.ResourceExhausted}

var errNoAddress = errors.New("the event has no e-mail address")

// handle sends the e-mail of an event, unless that has happened.
func handle(outbox string, event *sluicev1.RecordedEvent) error {
	payload := event.GetBinary()
	if text, ok := event.Payload.(*sluicev1.RecordedEvent_Text); ok {
		payload = []byte(text.Text)
	}
	var order struct{ Email string }
	if err := json.Unmarshal(payload, &order); err != nil {
		return err
	}
	if order.Email == "" {
		return errNoAddress
	}
	key := fmt.Sprintf("%s-%d", event.Stream, event.Version)
	text := fmt.Sprintf("To: %s\nMessage-ID: <%s@shop.example.com>\nSubject: %s\n", order.Email, key, subjects[event.Type])
	isNew, err := sendOnce(outbox, key, text)
	if err != nil {
		return err
	}
	if isNew {
		fmt.Println("sent", key)
	} else {
		fmt.Println("sent before", key)
	}
	return nil
}

// sendOnce writes an e-mail into the outbox folder, whole or not at all; false: it is there already. The name of the file says
// which event it is for, and a link never replaces a file: so the e-mail and the record that it was sent are one thing. That holds
// even if two processes handle the event.
func sendOnce(outbox, key, text string) (bool, error) {
	draft := filepath.Join(outbox, fmt.Sprintf(".%s.%d", key, os.Getpid()))
	file, err := os.Create(draft)
	if err != nil {
		return false, err
	}
	defer os.Remove(draft)
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return false, err
	}
	if err := file.Sync(); err != nil {
		return false, err
	}
	err = os.Link(draft, filepath.Join(outbox, key+".eml"))
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// member is one call of Consume. Only one goroutine may send at a time.
type member struct {
	call sluicev1.ConsumerGroupService_ConsumeClient
	lock sync.Mutex
}

func (m *member) send(request *sluicev1.ConsumeRequest) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.call.Send(request)
}

// settle handles the events of a delivery in order, and says what became of them.
func (m *member) settle(outbox string, delivery *sluicev1.Delivery) error {
	for handled, event := range delivery.Events {
		err := handle(outbox, event)
		if err == nil {
			continue
		}
		log.Println(event.Stream, event.Version, err)
		if errors.Is(err, errNoAddress) {
			return m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Park{
				Park: &sluicev1.Park{Delivery: delivery.Id, Handled: uint32(handled), Reason: err.Error()},
			}})
		}
		return m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Retry{
			Retry: &sluicev1.Retry{Delivery: delivery.Id, Handled: uint32(handled), Reason: err.Error()},
		}})
	}
	return m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Ack{
		Ack: &sluicev1.Ack{Deliveries: []uint64{delivery.Id}},
	}})
}

// consume joins the group and handles what comes until the call ends; nil: the member has left. joined: it was a member.
func consume(stop context.Context, address, outbox string) (joined bool, err error) {
	conn, err := grpc.NewClient(address, // for each attempt: one that has gone silent is left behind
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background()) // no deadline: a member goes on
	defer cancel()
	call, err := sluicev1.NewConsumerGroupServiceClient(conn).Consume(ctx)
	if err != nil {
		return false, err
	}
	m := &member{call: call}
	err = m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Join{
		Join: &sluicev1.Join{Group: group, MaxInFlight: 16, HeartbeatInterval: durationpb.New(heartbeat)},
	}})
	timer := time.AfterFunc(silence, cancel)
	defer timer.Stop()
	for err == nil {
		timer.Reset(silence)
		var message *sluicev1.ConsumeResponse
		message, err = call.Recv()
		timer.Stop()
		if message.GetJoined() != nil {
			joined = true
			// No more deliveries come then, and the call ends when those that are here have been settled.
			defer context.AfterFunc(stop, func() {
				_ = m.send(&sluicev1.ConsumeRequest{Request: &sluicev1.ConsumeRequest_Leave{Leave: &sluicev1.Leave{}}})
			})()
		}
		if refused := message.GetRefused(); refused != nil {
			log.Println(refused.Error.GetMessage()) // it comes again
		}
		for _, delivery := range message.GetDeliveries() {
			if err == nil {
				err = m.settle(outbox, delivery)
			}
		}
		if errors.Is(err, io.EOF) && message != nil {
			_, err = call.Recv() // a send has failed: this says why
		}
	}
	if errors.Is(err, io.EOF) {
		return joined, nil
	}
	return joined, err
}

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	for pause := 100 * time.Millisecond; stop.Err() == nil; pause = min(2*pause, 5*time.Second) {
		joined, err := consume(stop, os.Args[1], os.Args[2])
		if err == nil {
			return
		}
		if !slices.Contains(passing, status.Code(err)) {
			log.Fatal(err)
		}
		if joined {
			pause = 100 * time.Millisecond
		}
		log.Println("joining again after", err)
		time.Sleep(pause)
	}
}
