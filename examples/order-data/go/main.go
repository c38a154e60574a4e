// The report on the orders of a store, with stubs of buf, protoc-gen-go and protoc-gen-go-grpc.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	sluicev1 "example.com/order-data/gen/sluice/v1"
)

// region is a row of the report.
type region struct {
	name           string
	orders, events uint64
	paid, refunded int64 // cents
	cancelled      int
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	defer conn.Close()
	store := sluicev1.NewEventStoreServiceClient(conn)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	regions, longest := listOrders(ctx, store)
	checkouts := map[string]uint64{}
	fmt.Println("region    orders   events          paid      refunded  cancelled")
	for _, row := range regions {
		queryRegion(ctx, store, row, checkouts)
		fmt.Printf("%-8s%8d%9d%14s%14s%11d\n",
			row.name, row.orders, row.events, money(row.paid), money(row.refunded), row.cancelled)
	}
	position := printHistory(ctx, store, longest)
	printMoment(ctx, store, position)
	printCheckout(ctx, store, mostOf(checkouts))
}

// listOrders calls ListStreams: the regions by name, and the order with the highest version.
func listOrders(ctx context.Context, store sluicev1.EventStoreServiceClient) ([]*region, string) {
	rows := map[string]*region{}
	versions := map[string]uint64{}
	listing, err := store.ListStreams(ctx, &sluicev1.ListStreamsRequest{Pattern: "order.*.*"})
	check(err)
	for message := range messages(listing.Recv) {
		for _, summary := range message.Streams {
			name := strings.Split(summary.Stream, ".")[1]
			if rows[name] == nil {
				rows[name] = &region{name: name}
			}
			rows[name].orders++
			rows[name].events += summary.Version
			versions[summary.Stream] = summary.Version
		}
	}
	regions := []*region{}
	for _, row := range rows {
		regions = append(regions, row)
	}
	slices.SortFunc(regions, func(a, b *region) int { return strings.Compare(a.name, b.name) })
	return regions, mostOf(versions)
}

// queryRegion calls ReadAll by pattern and event types. It also counts the orders of each checkout.
func queryRegion(ctx context.Context, store sluicev1.EventStoreServiceClient, row *region, checkouts map[string]uint64) {
	read, err := store.ReadAll(ctx, &sluicev1.ReadAllRequest{
		Patterns:   []string{"order." + row.name + ".*"},
		EventTypes: []string{"OrderPlaced", "OrderPaid", "PaymentRefunded", "OrderCancelled"},
	})
	check(err)
	for message := range messages(read.Recv) {
		for _, event := range message.Events {
			switch event.Type {
			case "OrderPlaced":
				checkouts[event.CorrelationId]++
			case "OrderPaid":
				row.paid += amountOf(event)
			case "PaymentRefunded":
				row.refunded += amountOf(event)
			case "OrderCancelled":
				row.cancelled++
			}
		}
	}
}

func amountOf(event *sluicev1.RecordedEvent) int64 {
	var data struct{ AmountCents int64 }
	check(json.Unmarshal([]byte(event.GetText()), &data))
	return data.AmountCents
}

// printHistory calls GetVersion and ReadStream. It returns the position of the last event.
func printHistory(ctx context.Context, store sluicev1.EventStoreServiceClient, stream string) (position uint64) {
	head, err := store.GetVersion(ctx, &sluicev1.GetVersionRequest{Stream: stream})
	check(err)
	fmt.Printf("\n%s has the longest history, version %d:\n", stream, head.Version)
	read, err := store.ReadStream(ctx, &sluicev1.ReadStreamRequest{Stream: stream})
	check(err)
	for message := range messages(read.Recv) {
		for _, event := range message.Events {
			fmt.Printf("%4d  %s  %s\n", event.Version, event.Metadata["occurred-at"], event.Type)
			position = event.Position
		}
	}
	return position
}

// printMoment calls ReadAll up to a position.
func printMoment(ctx context.Context, store sluicev1.EventStoreServiceClient, position uint64) {
	counts := map[string]int{}
	read, err := store.ReadAll(ctx, &sluicev1.ReadAllRequest{
		Patterns:   []string{"order.>"},
		EventTypes: []string{"OrderPlaced", "OrderPaid", "OrderShipped", "OrderCancelled"},
		ToPosition: position,
	})
	check(err)
	for message := range messages(read.Recv) {
		for _, event := range message.Events {
			counts[event.Type]++
		}
	}
	fmt.Printf("\nwhen that was stored: %d placed, %d paid, %d shipped, %d cancelled\n",
		counts["OrderPlaced"], counts["OrderPaid"], counts["OrderShipped"], counts["OrderCancelled"])
}

// printCheckout calls ReadByCorrelation.
func printCheckout(ctx context.Context, store sluicev1.EventStoreServiceClient, checkout string) {
	events := map[string]int{}
	streams := []string{}
	read, err := store.ReadByCorrelation(ctx, &sluicev1.ReadByCorrelationRequest{CorrelationId: checkout})
	check(err)
	for message := range messages(read.Recv) {
		for _, event := range message.Events {
			if events[event.Stream] == 0 {
				streams = append(streams, event.Stream)
			}
			events[event.Stream]++
		}
	}
	fmt.Printf("\n%s has the most orders:\n", checkout)
	for _, stream := range streams {
		fmt.Printf("  %s, %d events\n", stream, events[stream])
	}
}

// messages returns the messages of a call. A failed call ends the program: the messages before are right, but not complete.
func messages[T any](receive func() (T, error)) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for {
			message, err := receive()
			if errors.Is(err, io.EOF) {
				return
			}
			check(err)
			if !yield(message) {
				return
			}
		}
	}
}

// mostOf returns the name with the highest number; the first by name if there are several.
func mostOf(numbers map[string]uint64) (most string) {
	for name, number := range numbers {
		if number > numbers[most] || (number == numbers[most] && name < most) {
			most = name
		}
	}
	return most
}

func money(cents int64) string {
	return fmt.Sprintf("%d.%02d", cents/100, cents%100)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
