// Sends the e-mails of a shop as a member of a consumer group, with the Go client of Sluice.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
)

var subjects = map[string]string{
	"OrderPlaced":  "Thank you for your order",
	"OrderShipped": "Your order is on its way",
}

// handle sends the e-mail of an event, unless that has happened.
func handle(outbox string, event *sluice.RecordedEvent) error {
	var order struct{ Email string }
	if err := sluice.DecodeJSON(event, &order); err != nil {
		return err
	}
	if order.Email == "" {
		return &sluice.ParkEvent{Reason: "the event has no e-mail address"}
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

func main() {
	address, outbox := os.Args[1], os.Args[2]
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	client, err := sluice.Connect(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	err = client.Consume(ctx, "order-emails",
		func(_ context.Context, delivery *sluice.Delivery) error { return handle(outbox, delivery.Event) },
		sluice.OnFailed(func(err error, event *sluice.RecordedEvent) { log.Println(event.Stream, event.Version, err) }),
		sluice.OnRejoin(func(err error) { log.Println("joining again after", err) }),
	)
	if err != nil {
		log.Fatal(err)
	}
}
