// Keeps a table of orders in a file, as ../project.ts does, with the Go client of Sluice and bbolt.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
)

// batchMax is the largest number of events in one transaction.
const batchMax = 1000

var (
	orders     = []byte("orders")
	checkpoint = []byte("checkpoint")
	cursorKey  = []byte("cursor")
	statuses   = map[string]string{"OrderPaid": "paid", "OrderShipped": "shipped", "OrderCancelled": "cancelled"}
)

// order is a row of the table.
type order struct {
	Customer, Status   string
	TotalCents         int64
	ItemCount, Version uint64
}

// withFile opens the file for one transaction, so that other processes get their turn. What work does is stored as a whole, or not at all.
func withFile(path string, work func(tx *bolt.Tx) error) error {
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(work)
}

func loadCursor(path string) (cursor sluice.Cursor, err error) {
	err = withFile(path, func(tx *bolt.Tx) error {
		for _, name := range [][]byte{orders, checkpoint} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		cursor = sluice.Cursor(tx.Bucket(checkpoint).Get(cursorKey))
		return nil
	})
	return cursor, err
}

// applied is an event with the cursor after it.
type applied struct {
	event  *sluice.RecordedEvent
	cursor sluice.Cursor
}

// apply stores the rows and the cursor in one transaction: no event is missed or counted twice, whenever the process ends.
func apply(path string, batch []applied) error {
	return withFile(path, func(tx *bolt.Tx) error {
		for _, one := range batch {
			if err := applyEvent(tx.Bucket(orders), one.event); err != nil {
				return err
			}
		}
		return tx.Bucket(checkpoint).Put(cursorKey, []byte(batch[len(batch)-1].cursor))
	})
}

// applyEvent ignores events that it does not know.
func applyEvent(rows *bolt.Bucket, event *sluice.RecordedEvent) error {
	id := []byte(strings.TrimPrefix(event.Stream, "order."))
	var row order
	stored := rows.Get(id)
	if stored != nil {
		if err := json.Unmarshal(stored, &row); err != nil {
			return err
		}
	}
	var data struct {
		Customer             string
		Quantity, PriceCents int64
	}
	// A payload that is not JSON has no fields.
	_ = sluice.DecodeJSON(event, &data)
	switch {
	case event.Type == "OrderPlaced" && stored == nil:
		row = order{Customer: data.Customer, Status: "placed"}
	case stored == nil:
		return nil
	case event.Type == "ItemAdded":
		row.TotalCents += data.Quantity * data.PriceCents
		row.ItemCount += uint64(data.Quantity)
	case statuses[event.Type] != "":
		row.Status = statuses[event.Type]
	default:
		return nil
	}
	row.Version = event.Version
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return rows.Put(id, text)
}

// project updates the file from the store until the context ends.
func project(ctx context.Context, address, path string) error {
	cursor, err := loadCursor(path)
	if err != nil {
		return err
	}
	client, err := sluice.Connect(address)
	if err != nil {
		return err
	}
	defer client.Close()
	if cursor == "" {
		log.Println("from the first event")
	} else {
		log.Println("after cursor", cursor)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan applied, batchMax)
	ended := make(chan error, 1)
	go func() {
		defer close(events)
		ended <- follow(ctx, client, cursor, events)
	}()
	for first := range events {
		if err := apply(path, withAllThatWait(first, events)); err != nil {
			return err
		}
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func follow(ctx context.Context, client *sluice.Client, cursor sluice.Cursor, events chan<- applied) error {
	subscription := client.Subscribe(ctx, sluice.Patterns("order.>"), sluice.After(cursor),
		sluice.OnCaughtUp(func() { log.Println("live") }),
		sluice.OnReconnect(func(err error) { log.Println("no longer live:", err) }),
	)
	for event, err := range subscription.Events() {
		if err != nil {
			return err
		}
		select {
		case events <- applied{event, subscription.Cursor()}:
		case <-ctx.Done():
		}
	}
	return nil
}

// withAllThatWait makes large transactions while there is much to do, and small ones when the events are new.
func withAllThatWait(first applied, events <-chan applied) []applied {
	batch := []applied{first}
	for len(batch) < batchMax {
		select {
		case next, more := <-events:
			if !more {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// summary prints the totals, also while another process writes to the file.
func summary(path string) error {
	type total struct{ orders, cents int64 }
	totals := map[string]total{}
	var cursor string
	err := withFile(path, func(tx *bolt.Tx) error {
		cursor = string(tx.Bucket(checkpoint).Get(cursorKey))
		return tx.Bucket(orders).ForEach(func(_, text []byte) error {
			var row order
			if err := json.Unmarshal(text, &row); err != nil {
				return err
			}
			before := totals[row.Status]
			totals[row.Status] = total{before.orders + 1, before.cents + row.TotalCents}
			return nil
		})
	})
	if err != nil {
		return err
	}
	var names []string
	for name := range totals {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("%-10s%10d%13d.%02d\n", name, totals[name].orders, totals[name].cents/100, totals[name].cents%100)
	}
	revenue := totals["paid"].cents + totals["shipped"].cents
	fmt.Printf("%-10s%23d.%02d\n", "revenue", revenue/100, revenue%100)
	fmt.Println("up to cursor", cursor)
	return nil
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "project":
		err = project(ctx, os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == "summary":
		err = summary(os.Args[2])
	default:
		err = errors.New("usage: orders project ADDRESS FILE, or: orders summary FILE")
	}
	if err != nil {
		log.Fatal(err)
	}
}
