package sluice

import (
	"context"
	"encoding/json"
	"maps"

	"google.golang.org/protobuf/proto"

	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// Event is an event to append, RecordedEvent one that is stored.
type (
	Event         = sluicev1.Event
	RecordedEvent = sluicev1.RecordedEvent
)

// JSONEvent makes an event whose payload is a value as JSON text.
func JSONEvent(eventType string, value any) (*Event, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	payload := &sluicev1.Event_Text{Text: string(data)}
	return &Event{Type: eventType, ContentType: "application/json", Payload: payload}, nil
}

// DecodeJSON decodes the payload of an event, which is JSON, whether it was written as text or as binary.
func DecodeJSON(event *RecordedEvent, into any) error {
	return json.Unmarshal(Payload(event), into)
}

// Payload gives the payload of an event, whether it was written as text or as binary; nil for an event without a payload.
func Payload(event *RecordedEvent) []byte {
	switch payload := event.GetPayload().(type) {
	case *sluicev1.RecordedEvent_Text:
		return []byte(payload.Text)
	case *sluicev1.RecordedEvent_Binary:
		return payload.Binary
	}
	return nil
}

// withTrace gives the events as they are sent: with the trace of the context, if it is to be recorded.
func (c *channel) withTrace(ctx context.Context, events []*Event) []*Event {
	if !c.recordTrace || c.inject == nil {
		return events
	}
	trace := map[string]string{}
	c.inject(ctx, func(key, value string) {
		if key == "traceparent" || key == "tracestate" {
			trace[key] = value
		}
	})
	if trace["traceparent"] == "" {
		return events
	}
	sent := make([]*Event, len(events))
	for i, event := range events {
		sent[i] = event
		if _, has := event.GetMetadata()["traceparent"]; has {
			continue
		}
		sent[i] = proto.CloneOf(event)
		if sent[i].Metadata == nil {
			sent[i].Metadata = map[string]string{}
		}
		maps.Copy(sent[i].Metadata, trace)
	}
	return sent
}
