// The runner in Go: messages and clients by protoc-gen-go and protoc-gen-go-grpc. See ../README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // so that details can be shown
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	sluicev1 "example.com/shop/gen/sluice/v1"
)

type command struct {
	Call       int               `json:"call"`
	Method     string            `json:"method"`
	DeadlineMs int               `json:"deadlineMs"`
	Metadata   map[string]string `json:"metadata"`
	Request    json.RawMessage   `json:"request"`
	Send       json.RawMessage   `json:"send"`
	HalfClose  bool              `json:"halfClose"`
	Cancel     bool              `json:"cancel"`
}

type line struct {
	Runner  string            `json:"runner,omitempty"`
	Call    int               `json:"call"`
	Message json.RawMessage   `json:"message,omitempty"`
	Status  string            `json:"status,omitempty"`
	Text    string            `json:"text,omitempty"`
	Details []json.RawMessage `json:"details,omitempty"`
}

// call is one that is under way. A nil among its requests is their end.
type call struct {
	cancel   context.CancelFunc
	requests chan json.RawMessage
}

var printing sync.Mutex

func say(l line) {
	text, err := json.Marshal(l)
	check(err)
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(text))
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	clients := map[string]any{
		"sluice.v1.EventStoreService":              sluicev1.NewEventStoreServiceClient(conn),
		"sluice.v1.ConsumerGroupService":           sluicev1.NewConsumerGroupServiceClient(conn),
		"sluice.v1.StreamService":                  sluicev1.NewStreamServiceClient(conn),
		"grpc.health.v1.Health":                    health.NewHealthClient(conn),
		"grpc.reflection.v1.ServerReflection":      reflectionv1.NewServerReflectionClient(conn),
		"grpc.reflection.v1alpha.ServerReflection": reflectionv1alpha.NewServerReflectionClient(conn),
	}
	say(line{Runner: fmt.Sprintf("%s, grpc-go %s", strings.Replace(runtime.Version(), "go", "Go ", 1), grpc.Version)})
	calls := map[int]*call{}
	input := bufio.NewReader(os.Stdin)
	for {
		text, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		check(err)
		var c command
		check(json.Unmarshal(text, &c))
		switch known := calls[c.Call]; {
		case known == nil:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.DeadlineMs)*time.Millisecond)
			ctx = metadata.NewOutgoingContext(ctx, metadata.New(c.Metadata))
			calls[c.Call] = &call{cancel, make(chan json.RawMessage, 10_000)}
			go run(ctx, clients, c, calls[c.Call].requests)
		case c.Send != nil:
			known.requests <- c.Send
		case c.HalfClose:
			known.requests <- nil
		default:
			known.cancel()
		}
	}
}

func run(ctx context.Context, clients map[string]any, c command, requests <-chan json.RawMessage) {
	err := answer(ctx, clients, c, requests)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	s, _ := status.FromError(err)
	l := line{Call: c.Call, Status: code.Code(s.Code()).String(), Text: s.Message()}
	for _, detail := range s.Proto().GetDetails() {
		l.Details = append(l.Details, toJSON(detail))
	}
	say(l)
}

// answer calls the method of the generated client that has this name.
func answer(ctx context.Context, clients map[string]any, c command, requests <-chan json.RawMessage) error {
	service, name, _ := strings.Cut(c.Method, "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	check(err)
	descriptor := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
	method := reflect.ValueOf(clients[service]).MethodByName(name)
	in := []reflect.Value{reflect.ValueOf(ctx)}
	if !descriptor.IsStreamingClient() {
		in = append(in, reflect.ValueOf(fromJSON(descriptor.Input(), c.Request)))
	}
	out := method.Call(in)
	if err, failed := out[1].Interface().(error); failed {
		return err
	}
	if !descriptor.IsStreamingServer() {
		say(line{Call: c.Call, Message: toJSON(out[0].Interface().(proto.Message))})
		return nil
	}
	stream := out[0].Interface().(grpc.ClientStream)
	if descriptor.IsStreamingClient() {
		go send(stream, descriptor, requests)
	}
	for {
		message := newMessage(descriptor.Output())
		if err := stream.RecvMsg(message); err != nil {
			return err
		}
		say(line{Call: c.Call, Message: toJSON(message)})
	}
}

func send(stream grpc.ClientStream, descriptor protoreflect.MethodDescriptor, requests <-chan json.RawMessage) {
	for {
		select {
		case <-stream.Context().Done():
			return
		case request := <-requests:
			if request == nil {
				check(stream.CloseSend())
				return
			}
			// An error is that of the call, which its answers tell.
			_ = stream.SendMsg(fromJSON(descriptor.Input(), request))
		}
	}
}

func newMessage(descriptor protoreflect.MessageDescriptor) proto.Message {
	found, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	check(err)
	return found.New().Interface()
}

func fromJSON(descriptor protoreflect.MessageDescriptor, text json.RawMessage) proto.Message {
	message := newMessage(descriptor)
	check(protojson.Unmarshal(text, message))
	return message
}

func toJSON(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	check(err)
	return text
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
