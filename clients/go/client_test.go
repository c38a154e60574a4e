package sluice_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// What users of the package rely on, on a real gateway; `npx jest test/clients/go.test.ts` starts one. The behaviour under faults is
// judged by the suite in test/clients, for all clients alike.

func connect(t *testing.T, options ...sluice.Option) *sluice.Client {
	t.Helper()
	address := os.Getenv("SLUICE_TEST_ADDRESS")
	if address == "" {
		t.Skip("SLUICE_TEST_ADDRESS is not set")
	}
	client, err := sluice.Connect(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// newStream gives a name that no other test has.
func newStream() string { return "go." + sluice.NewID() }

func jsonEvent(t *testing.T, eventType string, value any) *sluice.Event {
	t.Helper()
	event, err := sluice.JSONEvent(eventType, value)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func events(types ...string) (made []*sluice.Event) {
	for _, eventType := range types {
		made = append(made, &sluice.Event{Type: eventType})
	}
	return made
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func typesOf(events []*sluice.RecordedEvent) string {
	var types []string
	for _, event := range events {
		types = append(types, event.Type)
	}
	return strings.Join(types, " ")
}

type order struct{ Total int }

func TestAppendConflictRead(t *testing.T) {
	client, ctx, stream := connect(t), t.Context(), newStream()
	placed := must(client.Append(ctx, stream, []*sluice.Event{jsonEvent(t, "Placed", order{30}), {Type: "Paid",
		Payload: &sluicev1.Event_Binary{Binary: []byte(`{"total":31}`)}}}, sluice.ExpectVersion(0)))(t)
	if placed.Version != 2 || placed.FirstVersion != 1 || placed.Replayed {
		t.Error("appended", placed)
	}
	validated := must(client.Append(ctx, stream, events("Next"), sluice.ExpectVersion(2), sluice.ValidateOnly()))(t)
	if validated.Version != 3 || validated.Position != 0 || validated.CommitId != "" {
		t.Error("validated", validated)
	}
	found := must(client.GetCommit(ctx, placed.CommitId))(t)
	if found.Position != placed.Position || len(found.Streams) != 1 || found.Streams[0].Version != 2 {
		t.Error("found", found)
	}
	_, err := client.Append(ctx, stream, events("Late"), sluice.ExpectVersion(1), sluice.ValidateOnly())
	var conflict *sluice.VersionConflictError
	var failed *sluice.CallError
	if !errors.As(err, &conflict) || conflict.Expected != 1 || conflict.Actual != 2 || conflict.Stream != stream {
		t.Error("the conflict is", err)
	}
	if !errors.As(err, &failed) || failed.RequestID == "" || status.Code(err) != codes.Aborted || sluice.CodeOf(err) != sluice.CodeVersionConflict {
		t.Error("the conflict is also", err)
	}
	read := client.ReadStream(ctx, stream)
	if read.Head() != nil {
		t.Error("it has a head before it was read")
	}
	totals := []int{}
	for event, err := range read.Events() {
		if err != nil {
			t.Fatal(err)
		}
		var decoded order
		if err := sluice.DecodeJSON(event, &decoded); err != nil {
			t.Fatal(err)
		}
		totals = append(totals, decoded.Total)
	}
	if !slices.Equal(totals, []int{30, 31}) || read.Head().GetVersion() != 2 {
		t.Error("read", totals, read.Head())
	}
	last := must(client.ReadStream(ctx, stream, sluice.Backward(), sluice.MaxCount(1)).All())(t)
	if typesOf(last) != "Paid" {
		t.Error("backward", last)
	}
	if version := must(client.GetVersion(ctx, stream))(t); version.Version != 2 {
		t.Error("version", version)
	}
}

func TestArgumentsThatCannotBeSent(t *testing.T) {
	client, ctx := connect(t), t.Context()
	both := sluice.CheckVersion("a", 1)
	_, appendErr := client.Append(ctx, "a", nil, both)
	_, multiErr := client.AppendMulti(ctx, nil, sluice.ExpectVersion(1))
	_, readErr := client.ReadStream(ctx, "a", sluice.Patterns("a.*")).All()
	_, afterErr := client.ReadAll(ctx, sluice.After("no cursor")).All()
	_, sessionErr := client.AppendSession(ctx, sluice.PendingMax(0))
	_, tokenErr := sluice.Connect("gateway.example.com:50051", sluice.WithToken("slu_1"))
	_, spaceErr := sluice.Connect("localhost:50051", sluice.WithToken("a b"))
	_, noneErr := sluice.Connect("127.0.0.1:1,,")
	consumeErr := client.Consume(ctx, "a", nil, sluice.Concurrency(0))
	for i, err := range []error{appendErr, multiErr, readErr, afterErr, sessionErr, tokenErr, spaceErr, noneErr, consumeErr} {
		var argument *sluice.ArgumentError
		if !errors.As(err, &argument) {
			t.Error(i, err)
		}
	}
	var invalid *sluice.InvalidRequestError
	if _, err := client.Append(ctx, "a b", events("A")); !errors.As(err, &invalid) || invalid.Violations[0].Field != "stream" {
		t.Error("a bad name gives", err)
	}
}

func TestContextsEndCalls(t *testing.T) {
	client, stream := connect(t), newStream()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Append(ctx, stream, events("A")); !errors.Is(err, context.Canceled) || sluice.CodeOf(err) != sluice.CodeCancelled {
		t.Error("append:", err)
	}
	must(client.Append(t.Context(), stream, events("A", "B")))(t)
	ctx, cancel = context.WithCancel(t.Context())
	subscription := client.Subscribe(ctx, sluice.Stream(stream))
	var last error
	count := 0
	for _, err := range subscription.Events() {
		if last = err; err == nil {
			count++
			cancel()
		}
	}
	if count != 1 || !errors.Is(last, context.Canceled) {
		t.Error("subscribe:", count, last)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for _, err := range client.Subscribe(ctx, sluice.Stream(stream), sluice.AfterVersion(2)).Events() {
		last = err
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Error("subscribe with a deadline:", last)
	}
}

func TestCloseEndsSubscriptionsAndLaterCalls(t *testing.T) {
	client, ctx := connect(t), t.Context()
	var last error
	for _, err := range client.Subscribe(ctx, sluice.Stream(newStream()), sluice.OnCaughtUp(func() { client.Close() })).Events() {
		last = err
	}
	_, err := client.GetVersion(ctx, "a")
	if sluice.CodeOf(last) != sluice.CodeCancelled || sluice.CodeOf(err) != sluice.CodeCancelled {
		t.Error(last, err)
	}
}

func TestTransactionAndCorrelation(t *testing.T) {
	client, ctx, a, b, id := connect(t), t.Context(), newStream(), newStream(), sluice.NewID()
	part := func(stream string, expected ...sluice.Expectation) *sluicev1.StreamAppend {
		return sluice.To(stream, []*sluice.Event{{Type: "Moved", CorrelationId: id}}, expected...)
	}
	move := func() (*sluicev1.AppendMultiResponse, error) {
		return client.AppendMulti(ctx, []*sluicev1.StreamAppend{part(a, sluice.ExpectVersion(0)), part(b, sluice.ExpectVersion(0))},
			sluice.CheckVersion(newStream(), 0))
	}
	if moved := must(move())(t); len(moved.Streams) != 2 {
		t.Error("moved", moved)
	}
	_, err := move()
	var conflict *sluice.VersionConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 2 {
		t.Error("the conflict is", err)
	}
	read := client.ReadByCorrelation(ctx, id)
	if found := must(read.All())(t); len(found) != 2 || read.Head().GetLimitedToGrants() {
		t.Error("found", found)
	}
}

func TestSessionGivesEachItsOwnResult(t *testing.T) {
	client, ctx, prefix := connect(t), t.Context(), newStream()
	session := must(client.AppendSession(ctx, sluice.PendingMax(16)))(t)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 50 {
				stream := fmt.Sprintf("%s.%d.%d", prefix, worker, i%25)
				pending, err := session.Append(ctx, stream, events("A"), sluice.ExpectVersion(0))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = pending.Wait(ctx)
				if isFirst := i < 25; isFirst != (err == nil) || !isFirst && sluice.CodeOf(err) != sluice.CodeVersionConflict {
					t.Error(stream, err)
				}
			}
		})
	}
	group.Wait()
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if _, err := session.Append(ctx, prefix, events("A")); sluice.CodeOf(err) != sluice.CodeCancelled {
		t.Error("after its end:", err)
	}
}

func TestSessionInOrderTellsTheCause(t *testing.T) {
	client, ctx, stream := connect(t), t.Context(), newStream()
	session := must(client.AppendSession(ctx, sluice.InOrder()))(t)
	bad := must(session.Append(ctx, stream, events("A"), sluice.ExpectVersion(7)))(t)
	after := must(session.Append(ctx, newStream(), events("B")))(t)
	_, badErr := bad.Wait(ctx)
	_, afterErr := after.Wait(ctx)
	var conflict *sluice.VersionConflictError
	if sluice.CodeOf(badErr) != sluice.CodeVersionConflict || sluice.CodeOf(afterErr) != sluice.CodeCancelled || !errors.As(afterErr, &conflict) {
		t.Error(badErr, afterErr)
	}
	session.Close()
}

func TestSubscriptionContinuesFromItsCursor(t *testing.T) {
	client, ctx, stream := connect(t), t.Context(), newStream()
	must(client.Append(ctx, stream, events("A", "B", "C")))(t)
	must(client.Append(ctx, stream, events("D")))(t)
	isLast := false
	subscription := client.Subscribe(ctx, sluice.Stream(stream), sluice.OnCaughtUp(func() {
		if isLast {
			isLast = false
			go client.Append(ctx, stream, events("E"))
		}
	}))
	take := func(s *sluice.Subscription, count int) (taken []*sluice.RecordedEvent) {
		for event, err := range s.Events() {
			if err != nil {
				t.Fatal(err)
			}
			if taken = append(taken, event); len(taken) == count {
				break
			}
		}
		return taken
	}
	if got := typesOf(take(subscription, 2)); got != "A B" {
		t.Error("first", got)
	}
	cursor := subscription.Cursor()
	if !regexp.MustCompile(`^\d+\+2@`).MatchString(string(cursor)) {
		t.Error("the cursor is", cursor)
	}
	if got := typesOf(take(subscription, 1)); got != "C" {
		t.Error("another loop", got)
	}
	if got := typesOf(take(client.Subscribe(ctx, sluice.Stream(stream), sluice.After(cursor)), 2)); got != "C D" {
		t.Error("another subscription", got)
	}
	if got := typesOf(must(client.ReadAll(ctx, sluice.Patterns(stream), sluice.After(cursor)).All())(t)); got != "C D" {
		t.Error("a read", got)
	}
	isLast = true
	if got := typesOf(take(subscription, 2)); got != "D E" {
		t.Error("live", got)
	}
}

func TestRetryOnConflict(t *testing.T) {
	client, ctx, stream := connect(t), t.Context(), newStream()
	attempts := 0
	err := sluice.RetryOnConflict(ctx, func(ctx context.Context) error {
		attempts++
		if attempts < 3 {
			must(client.Append(ctx, stream, events("Other")))(t)
		}
		_, err := client.Append(ctx, stream, events("Mine"), sluice.ExpectVersion(uint64(max(0, attempts-2)*2)))
		return err
	})
	if err != nil || attempts != 3 {
		t.Error(attempts, err)
	}
	err = sluice.RetryOnConflictUpTo(ctx, 2, func(ctx context.Context) error {
		_, err := client.Append(ctx, stream, events("Mine"), sluice.ExpectVersion(0))
		return err
	})
	if sluice.CodeOf(err) != sluice.CodeVersionConflict {
		t.Error(err)
	}
}

func TestStreamsAreTruncatedOnce(t *testing.T) {
	client, ctx, stream := connect(t), t.Context(), newStream()
	must(client.Append(ctx, stream, events("A", "B", "C")))(t)
	request := &sluicev1.TruncateStreamRequest{Stream: stream, BeforeVersion: 3}
	truncated := must(client.Streams().TruncateStream(ctx, request))(t)
	if !truncated.Changed || truncated.CommitId == "" || request.CommitId != "" {
		t.Error(truncated, request)
	}
	read := client.ReadStream(ctx, stream)
	if got := typesOf(must(read.All())(t)); got != "C" || read.Head().GetFirstVersion() != 3 {
		t.Error(got, read.Head())
	}
	_, err := client.Streams().TombstoneStream(ctx, &sluicev1.TombstoneStreamRequest{Stream: newStream()})
	var failed *sluice.StreamError
	if !errors.As(err, &failed) || failed.Code != sluice.CodeStreamNotFound {
		t.Error(err)
	}
}

func TestTraceIsRecorded(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	client := connect(t, sluice.WithRecordedTrace(), sluice.WithTracePropagation(
		func(_ context.Context, set func(key, value string)) { set("traceparent", parent) }))
	ctx, stream := t.Context(), newStream()
	own := &sluice.Event{Type: "B", Metadata: map[string]string{"traceparent": "mine"}}
	given := []*sluice.Event{{Type: "A"}, own}
	must(client.Append(ctx, stream, given))(t)
	session := must(client.AppendSession(ctx))(t)
	must(must(session.Append(ctx, stream, given[:1]))(t).Wait(ctx))(t)
	var parents []string
	for _, event := range must(client.ReadStream(ctx, stream).All())(t) {
		parents = append(parents, event.Metadata["traceparent"])
	}
	if !slices.Equal(parents, []string{parent, "mine", parent}) || given[0].Metadata != nil {
		t.Error(parents, given[0].Metadata)
	}
}

// sentSession tells of the appends that a session sends.
type sentSession struct {
	grpc.ClientStream
	tell func(traceparent string)
}

func (s sentSession) SendMsg(message any) error {
	for _, one := range message.(*sluicev1.AppendSessionRequest).Appends {
		s.tell(one.GetTraceContext().GetTraceparent())
	}
	return s.ClientStream.SendMsg(message)
}

func TestTraceIsPropagated(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	type span struct{}
	var mu sync.Mutex
	seen := map[string]string{}
	tell := func(call, traceparent string) {
		mu.Lock()
		defer mu.Unlock()
		seen[call] = traceparent
	}
	look := func(ctx context.Context, method string) {
		sent, _ := metadata.FromOutgoingContext(ctx)
		tell(path.Base(method), strings.Join(sent.Get("traceparent"), " "))
	}
	client := connect(t,
		sluice.WithTracePropagation(func(ctx context.Context, set func(key, value string)) {
			if value, ok := ctx.Value(span{}).(string); ok {
				set("traceparent", value)
			}
		}),
		sluice.WithDialOptions(
			grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, response any, conn *grpc.ClientConn,
				invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
				look(ctx, method)
				return invoke(ctx, method, request, response, conn, options...)
			}),
			grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
				open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
				look(ctx, method)
				stream, err := open(ctx, desc, conn, method, options...)
				if err == nil && desc.ClientStreams {
					stream = sentSession{stream, func(traceparent string) { tell("append of a session", traceparent) }}
				}
				return stream, err
			}),
		))
	stream := newStream()
	use := func(ctx context.Context) map[string]string {
		must(client.Append(ctx, stream, events("A")))(t)
		must(client.ReadStream(ctx, stream).All())(t)
		session := must(client.AppendSession(ctx))(t)
		must(must(session.Append(ctx, stream, events("A")))(t).Wait(ctx))(t)
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		return maps.Clone(seen)
	}
	for _, want := range []string{parent, ""} {
		ctx := t.Context()
		if want != "" {
			ctx = context.WithValue(ctx, span{}, want)
		}
		all := map[string]string{"Append": want, "ReadStream": want, "AppendSession": want, "append of a session": want}
		if got := use(ctx); !maps.Equal(got, all) {
			t.Error(got)
		}
	}
}

func TestConsumeHandlesEachStreamInOrderAndStops(t *testing.T) {
	client, ctx, prefix, group := connect(t), t.Context(), newStream(), sluice.NewID()
	must(client.Groups().CreateGroup(ctx, &sluicev1.CreateGroupRequest{Group: group,
		Settings: &sluicev1.GroupSettings{Patterns: []string{prefix + ".*"}}}))(t)
	const streams, each = 10, 6
	for version := range each {
		for stream := range streams {
			eventType := "A"
			if version == 2 {
				eventType = "Bad"
			}
			must(client.Append(ctx, fmt.Sprintf("%s.%d", prefix, stream), events(eventType)))(t)
		}
	}
	var mu sync.Mutex
	handled, running, count := map[string]uint64{}, map[string]bool{}, 0
	stopping, stop := context.WithCancel(ctx)
	err := client.Consume(stopping, group, func(_ context.Context, delivery *sluice.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		event := delivery.Event
		if running[event.Stream] || event.Version <= handled[event.Stream] && !delivery.Redelivered {
			t.Error("out of order:", event.Stream, event.Version)
		}
		if event.Type == "Bad" {
			return &sluice.ParkEvent{Reason: "it is bad"}
		}
		running[event.Stream] = true
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		running[event.Stream] = false
		handled[event.Stream] = event.Version
		if count++; count == streams*(each-1) {
			stop()
		}
		return nil
	}, sluice.Concurrency(4))
	if err != nil {
		t.Error(err)
	}
	state := must(client.Groups().GetGroup(ctx, &sluicev1.GetGroupRequest{Group: group}))(t)
	if state.ParkedCount != streams || len(state.Members) != 0 {
		t.Error("parked", state.ParkedCount, "members", state.Members)
	}
	for _, lane := range state.Lanes {
		if lane.OldestTime != nil {
			t.Error("lane", lane)
		}
	}
	missing := client.Consume(ctx, "no-such-group", func(context.Context, *sluice.Delivery) error { return nil })
	if sluice.CodeOf(missing) != sluice.CodeGroupNotFound {
		t.Error(missing)
	}
}

func TestConsumeRetriesAndTellsLateHandlers(t *testing.T) {
	client, ctx, stream, group := connect(t), t.Context(), newStream(), sluice.NewID()
	must(client.Append(ctx, stream, events("A")))(t)
	must(client.Append(ctx, stream, events("B")))(t)
	must(client.Groups().CreateGroup(ctx, &sluicev1.CreateGroupRequest{Group: group, Settings: &sluicev1.GroupSettings{
		Patterns: []string{stream}, AckTimeout: durationpb.New(time.Second), BackoffMin: durationpb.New(10 * time.Millisecond)}}))(t)
	var calls []string
	stopping, stop := context.WithCancel(ctx)
	err := client.Consume(stopping, group, func(ctx context.Context, delivery *sluice.Delivery) error {
		calls = append(calls, fmt.Sprint(delivery.Event.Type, delivery.Attempt))
		switch strings.Join(calls, " ") {
		case "A1":
			return errors.New("not yet")
		case "A1 A2":
			return &sluice.RetryEvent{Delay: 20 * time.Millisecond, Err: errors.New("later")}
		case "A1 A2 A3":
			return &sluice.SkipEvent{}
		case "A1 A2 A3 B1":
			<-ctx.Done() // its time is over
			return ctx.Err()
		}
		stop()
		return nil
	})
	if got := strings.Join(calls, " "); err != nil || got != "A1 A2 A3 B1 B2" {
		t.Error(got, err)
	}
}

func TestIDsAreUUIDs7(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := sluice.NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatal(id)
		}
		seen[id] = true
	}
	ms := time.Now().UnixMilli()
	if id := strings.ReplaceAll(sluice.NewID(), "-", ""); id[:9] != fmt.Sprintf("%012x", ms)[:9] {
		t.Error(id, ms)
	}
}
