// A load process in Go, as load.ts is one in TypeScript: it gets jobs as lines of JSON and answers reports. It is started
// with the address of a gateway and the number of connections.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

// What job.ts says of jobs, as far as they are done here.
type job struct {
	Peer      string
	Operation struct {
		Kind           string
		Pattern        string
		Streams        json.RawMessage
		Events         int
		CallsPerStream int
		Version        uint64
		Seconds        float64
	}
	Callers   struct{ From, To int }
	CallsEach int
	FirstCall int
}

type streamSet struct {
	Prefix string
	Count  int
}

type report struct {
	// Of all calls, in microseconds.
	Times     []int64 `json:"times"`
	StartedMs float64 `json:"startedMs"`
	EndedMs   float64 `json:"endedMs"`
	// The CPU time of this process, in milliseconds.
	CPUMs float64 `json:"cpuMs"`
}

type store = sluicev1.EventStoreServiceClient

// peer is how calls are made: with the stubs, or with the client of clients/go.
type peer struct {
	store
	client   *sluice.Client // nil: with the stubs
	hasIDs   bool           // whether appends with the stubs have commit ids
	deadline time.Duration  // of appends with the stubs; 0: none
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	check(err)
	stubs, identified, bounded, clients := make([]peer, count), make([]peer, count), make([]peer, count), make([]peer, count)
	for i := range count {
		conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
		check(err)
		conn.Connect()
		stubs[i] = peer{store: sluicev1.NewEventStoreServiceClient(conn)}
		identified[i] = peer{store: stubs[i].store, hasIDs: true}
		bounded[i] = peer{store: stubs[i].store, hasIDs: true, deadline: 15 * time.Second} // as the client by default
		clients[i].client, err = sluice.Connect(os.Args[1])
		check(err)
	}
	versions := &versions{of: map[string]uint64{}}
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return
		}
		check(err)
		var asked job
		check(json.Unmarshal(line, &asked))
		perform := run
		if asked.Operation.Kind == "flood" {
			perform = flood
		}
		peers := stubs
		switch asked.Peer {
		case "goClient":
			peers = clients
		case "generatedV7":
			peers = identified
		case "generatedV7Deadline":
			peers = bounded
		}
		done, err := perform(peers, versions, asked)
		if err != nil {
			check(output.Encode(map[string]string{"error": err.Error()}))
			continue
		}
		check(output.Encode(done))
	}
}

func run(peers []peer, versions *versions, asked job) (*report, error) {
	callers := asked.Callers.To - asked.Callers.From
	times := make([][]int64, callers)
	failures := make([]error, callers)
	cpuBefore, started := cpuMs(), time.Now()
	var running sync.WaitGroup
	for i := range callers {
		running.Go(func() {
			caller := asked.Callers.From + i
			times[i], failures[i] = runCaller(peers[caller%len(peers)], versions, asked, caller)
		})
	}
	running.Wait()
	done := &report{StartedMs: milliseconds(started), EndedMs: milliseconds(time.Now()), CPUMs: cpuMs() - cpuBefore}
	for _, some := range times {
		done.Times = append(done.Times, some...)
	}
	return done, errors.Join(failures...)
}

// flood appends from all callers for some time. A caller that is refused waits for as long as it is told to.
func flood(peers []peer, _ *versions, asked job) (*report, error) {
	var prefix string
	check(json.Unmarshal(asked.Operation.Streams, &prefix))
	done := &report{Times: []int64{}}
	var failure error
	var mutex sync.Mutex
	var running sync.WaitGroup
	started := time.Now()
	isOver := func() bool { return time.Since(started).Seconds() >= asked.Operation.Seconds }
	for caller := asked.Callers.From; caller < asked.Callers.To; caller++ {
		running.Go(func() {
			stream := fmt.Sprintf("%s.%d-%d", prefix, caller, asked.FirstCall)
			for !isOver() {
				called := time.Now()
				request := &sluicev1.AppendRequest{Stream: stream, Events: newEvents(1)}
				_, err := peers[caller%len(peers)].Append(context.Background(), request)
				took := max(1, time.Since(called).Microseconds())
				mutex.Lock()
				if err == nil && !isOver() {
					done.Times = append(done.Times, took)
				} else if err != nil && status.Code(err) != codes.ResourceExhausted {
					failure = err
				}
				mutex.Unlock()
				time.Sleep(retryDelay(err))
			}
		})
	}
	for !isOver() {
		time.Sleep(time.Millisecond)
	}
	done.StartedMs, done.EndedMs = milliseconds(started), milliseconds(time.Now())
	running.Wait()
	return done, failure
}

// retryDelay is what a caller is told to wait, 0 if nothing.
func retryDelay(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.RetryDelay.AsDuration()
		}
	}
	return 0
}

func runCaller(by peer, versions *versions, asked job, caller int) ([]int64, error) {
	var times []int64
	for call := asked.FirstCall; call < asked.FirstCall+asked.CallsEach; call++ {
		perform, err := prepare(by, versions, asked, caller, call)
		if err != nil {
			return nil, err
		}
		started := time.Now()
		if err := perform(); err != nil {
			return nil, err
		}
		times = append(times, max(1, time.Since(started).Microseconds()))
	}
	return times, nil
}

// prepare does everything that does not belong to the call before it.
func prepare(by peer, versions *versions, asked job, caller, call int) (func() error, error) {
	operation := asked.Operation
	if operation.Kind == "append" {
		var prefix string
		check(json.Unmarshal(operation.Streams, &prefix))
		stream := fmt.Sprintf("%s.%d-%d", prefix, caller, call/operation.CallsPerStream)
		events := newEvents(operation.Events)
		version := versions.advance(stream, operation.Version, uint64(len(events)))
		return func() error { return by.append(stream, events, version) }, nil
	}
	if operation.Kind == "catchUp" {
		return func() error { return by.catchUp(operation.Pattern, operation.Events) }, nil
	}
	var streams streamSet
	check(json.Unmarshal(operation.Streams, &streams))
	stream := fmt.Sprintf("%s.0-%d", streams.Prefix, (caller+call)%streams.Count)
	switch operation.Kind {
	case "read":
		return func() error { return by.read(stream, operation.Events) }, nil
	case "version":
		return func() error { return by.version(stream, operation.Version) }, nil
	}
	return nil, fmt.Errorf("no %s is done from Go", operation.Kind)
}

func (p peer) append(stream string, events []*sluicev1.Event, version uint64) error {
	response, err := p.appended(stream, events, version)
	if err == nil && response.Version != version+uint64(len(events)) {
		return errors.New("a wrong version")
	}
	return err
}

func (p peer) appended(stream string, events []*sluicev1.Event, version uint64) (*sluicev1.AppendResponse, error) {
	if p.client != nil {
		return p.client.Append(context.Background(), stream, events, sluice.ExpectVersion(version))
	}
	request := &sluicev1.AppendRequest{Stream: stream, Events: events, ExpectedVersion: &version}
	if p.hasIDs {
		request.CommitId = sluice.NewID()
	}
	if p.deadline == 0 {
		return p.store.Append(context.Background(), request)
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.deadline)
	defer cancel()
	return p.store.Append(ctx, request)
}

func (p peer) read(stream string, wanted int) error {
	count, err := 0, error(nil)
	if p.client != nil {
		count, err = counted(p.client.ReadStream(context.Background(), stream).Events(), math.MaxInt)
	} else if messages, failed := p.store.ReadStream(context.Background(), &sluicev1.ReadStreamRequest{Stream: stream}); failed != nil {
		return failed
	} else {
		count, err = received(messages.Recv, math.MaxInt)
	}
	if err == nil && count != wanted {
		return fmt.Errorf("wrong events: %d, not %d", count, wanted)
	}
	return err
}

// catchUp subscribes from the start until this many events have come.
func (p peer) catchUp(pattern string, wanted int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if p.client != nil {
		_, err := counted(p.client.Subscribe(ctx, sluice.Patterns(pattern)).Events(), wanted)
		return err
	}
	messages, err := p.store.Subscribe(ctx, &sluicev1.SubscribeRequest{Patterns: []string{pattern}})
	if err != nil {
		return err
	}
	_, err = received(messages.Recv, wanted)
	return err
}

// counted takes events of the client, up to a number.
func counted(events iter.Seq2[*sluicev1.RecordedEvent, error], most int) (count int, err error) {
	for _, err := range events {
		if err != nil {
			return count, err
		}
		if count++; count == most {
			break
		}
	}
	return count, nil
}

// received takes events of the stubs, up to a number.
func received[Message interface {
	GetEvents() []*sluicev1.RecordedEvent
}](receive func() (Message, error), most int) (count int, err error) {
	for count < most {
		message, err := receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return count, err
		}
		count += len(message.GetEvents())
	}
	return count, nil
}

func (p peer) version(stream string, wanted uint64) error {
	if p.client != nil {
		response, err := p.client.GetVersion(context.Background(), stream)
		return checkVersion(response, err, wanted)
	}
	response, err := p.store.GetVersion(context.Background(), &sluicev1.GetVersionRequest{Stream: stream})
	return checkVersion(response, err, wanted)
}

func checkVersion(response *sluicev1.GetVersionResponse, err error, wanted uint64) error {
	if err == nil && response.Version != wanted {
		return fmt.Errorf("wrong version: %d, not %d", response.Version, wanted)
	}
	return err
}

// versions are those of the streams that this process has appended to.
type versions struct {
	mutex sync.Mutex
	of    map[string]uint64
}

// advance gives the version of a stream and counts on the append of so many events.
func (v *versions) advance(stream string, before, events uint64) uint64 {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	version, known := v.of[stream]
	if !known {
		version = before
	}
	v.of[stream] = version + events
	return version
}

// The events of events.ts.
var text = func() string {
	payload := `{"customer":"c-4711","currency":"EUR","lines":[{"sku":"A-1","count":2,"price":1990}],"note":""}`
	return strings.Replace(payload, `"note":""`, `"note":"`+strings.Repeat("x", 200-len(payload))+`"`, 1)
}()

func newEvents(count int) []*sluicev1.Event {
	correlationID := newID()
	events := make([]*sluicev1.Event, count)
	for i := range events {
		id := newID()
		events[i] = &sluicev1.Event{
			Id:            id,
			Type:          "OrderPlaced",
			Payload:       &sluicev1.Event_Text{Text: text},
			ContentType:   "application/json",
			CorrelationId: correlationID,
			CausationId:   id,
		}
	}
	return events
}

// newID makes a UUID v4.
func newID() string {
	var b [16]byte
	_, err := rand.Read(b[:])
	check(err)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// cpuMs is the CPU time that this process has used so far.
func cpuMs() float64 {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e6
}

func milliseconds(t time.Time) float64 {
	return float64(t.UnixMicro()) / 1000
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
