// A service over HTTP that decides about orders, with the Go client of Sluice. It keeps no state: each request reads the order, decides, and
// appends what it has decided, at the version that it has read.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
)

// order is the state of an order: what its events say.
type order struct {
	Customer   string `json:"customer"`
	Status     string `json:"status"`
	TotalCents int64  `json:"totalCents"`
	Version    uint64 `json:"version"`
}

type item struct {
	SKU        string `json:"sku"`
	Quantity   int64  `json:"quantity"`
	PriceCents int64  `json:"priceCents"`
}

// refusal is what a request may not do; people see it.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// load reads an order. One that does not exist has the version 0.
func load(ctx context.Context, client *sluice.Client, id string) (order, error) {
	var state order
	read := client.ReadStream(ctx, "order."+id)
	for event, err := range read.Events() {
		if err == nil {
			err = state.apply(event)
		}
		if err != nil {
			return order{}, err
		}
	}
	state.Version = read.Head().GetVersion()
	return state, nil
}

func (o *order) apply(event *sluice.RecordedEvent) error {
	switch event.Type {
	case "OrderPlaced":
		o.Status = "placed"
		return sluice.DecodeJSON(event, o)
	case "ItemAdded":
		var added item
		err := sluice.DecodeJSON(event, &added)
		o.TotalCents += added.Quantity * added.PriceCents
		return err
	case "OrderPaid":
		o.Status = "paid"
	case "OrderCancelled":
		o.Status = "cancelled"
	}
	return nil
}

// decision gives the event that follows from a request and the state of an order, or a refusal.
type decision func(state order, body json.RawMessage) (eventType string, data any, err error)

var decisions = map[string]decision{
	"PUT /orders/{id}": func(state order, body json.RawMessage) (string, any, error) {
		if state.Version > 0 {
			return "", nil, &refusal{"the order exists"}
		}
		var placed struct {
			Customer string `json:"customer"`
		}
		if json.Unmarshal(body, &placed) != nil || placed.Customer == "" {
			return "", nil, &refusal{"an order has a customer"}
		}
		return "OrderPlaced", placed, nil
	},
	"POST /orders/{id}/items": func(state order, body json.RawMessage) (string, any, error) {
		var added item
		if json.Unmarshal(body, &added) != nil || added.Quantity < 1 || added.PriceCents < 0 {
			return "", nil, &refusal{"an item has a quantity and a price"}
		}
		return "ItemAdded", added, isOpen(state)
	},
	"POST /orders/{id}/payment": func(state order, _ json.RawMessage) (string, any, error) {
		return "OrderPaid", map[string]int64{"cents": state.TotalCents}, isOpen(state)
	},
	"POST /orders/{id}/cancellation": func(state order, _ json.RawMessage) (string, any, error) {
		return "OrderCancelled", struct{}{}, isOpen(state)
	},
}

func isOpen(state order) error {
	switch state.Status {
	case "placed":
		return nil
	case "":
		return &refusal{"there is no such order"}
	}
	return &refusal{"the order is " + state.Status}
}

// handle decides again whenever another request was faster.
func handle(ctx context.Context, client *sluice.Client, id string, decide decision, body json.RawMessage) (version uint64, err error) {
	err = sluice.RetryOnConflict(ctx, func(ctx context.Context) error {
		state, err := load(ctx, client, id)
		if err != nil {
			return err
		}
		eventType, data, err := decide(state, body)
		if err != nil {
			return err
		}
		event, err := sluice.JSONEvent(eventType, data)
		if err != nil {
			return err
		}
		result, err := client.Append(ctx, "order."+id, []*sluice.Event{event}, sluice.ExpectVersion(state.Version))
		version = result.GetVersion()
		return err
	})
	return version, err
}

func serve(client *sluice.Client) http.Handler {
	routes := http.NewServeMux()
	for route, decide := range decisions {
		routes.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			var body json.RawMessage
			_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&body)
			version, err := handle(r.Context(), client, r.PathValue("id"), decide, body)
			answer(w, map[string]uint64{"version": version}, err)
		})
	}
	routes.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		state, err := load(r.Context(), client, r.PathValue("id"))
		if err == nil && state.Version == 0 {
			http.NotFound(w, r)
			return
		}
		answer(w, state, err)
	})
	return routes
}

func answer(w http.ResponseWriter, value any, err error) {
	var refused *refusal
	var invalid *sluice.InvalidRequestError
	status := http.StatusOK
	switch {
	case errors.As(err, &refused):
		status = http.StatusConflict
	case errors.As(err, &invalid):
		status = http.StatusBadRequest // a name that no stream can have
	case err != nil:
		// The client has tried for as long as it may. After OUTCOME_UNKNOWN the event may be stored.
		log.Println(err)
		status = http.StatusServiceUnavailable
	}
	if err != nil {
		value = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	client, err := sluice.Connect(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	server := &http.Server{Addr: os.Args[2], Handler: serve(client), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	fmt.Println("listening on", os.Args[2])
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
