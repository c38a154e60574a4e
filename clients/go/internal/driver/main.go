// The driver of the Go client for the behaviour suite of test/clients: commands as lines of JSON, their outcomes as lines of JSON.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	sluice "github.com/sluice-eventstore/sluice/clients/go"
	"github.com/sluice-eventstore/sluice/clients/go/sluicev1"
)

type object = map[string]any

// command has the arguments of all commands.
type command struct {
	ID, Call                                                            int
	Do, Client, Session, Stream, Group, Member, CorrelationID, CommitID string
	Reason                                                              string
	Addresses, EventTypes, EventTypePrefixes, Patterns                  []string
	Options                                                             options
	Events                                                              []event
	Event                                                               event
	Appends, Checks                                                     []part
	ExpectedVersion, FromVersion, ToVersion, ToPosition, After          *string
	AfterVersion                                                        *string
	Direction                                                           string
	MaxCount                                                            uint64
	DeadlineMs, HeartbeatMs, PauseMs, Collisions, Concurrency           int
	AttemptsMax                                                         *int
	PendingMax                                                          int
	Query                                                               *eventQuery
	Condition                                                           *condition
	InOrder, PermittedOnly, FromNow, StartMustExist                     bool
	OnType                                                              map[string]string
}

type options struct {
	DeadlineMs, AppendAttemptsMax int
	Token                         string
	Tokens                        []string
	TLS                           *struct{ CA string }
	Metadata                      map[string]string
}

type event struct {
	Type                                        string
	Text                                        *string
	Binary                                      *[]byte
	ContentType, ID, CorrelationID, CausationID string
	Tags                                        []string
	Metadata                                    map[string]string
}

type eventQuery struct {
	Items []struct{ EventTypes, Tags []string }
}

type condition struct {
	Query        *eventQuery
	After        string
	WithinStream string
}

type part struct {
	Stream          string
	Events          []event
	ExpectedVersion *string
}

type driver struct {
	printing sync.Mutex
	mu       sync.Mutex
	clients  map[string]*sluice.Client
	sessions map[string]*sluice.AppendSession
	stops    map[int]context.CancelFunc
	under    sync.WaitGroup
}

func (d *driver) say(line object) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	d.printing.Lock()
	defer d.printing.Unlock()
	fmt.Println(string(text))
}

func main() {
	d := &driver{clients: map[string]*sluice.Client{}, sessions: map[string]*sluice.AppendSession{}, stops: map[int]context.CancelFunc{}}
	d.say(object{"driver": fmt.Sprintf("%s, grpc-go %s", strings.Replace(runtime.Version(), "go", "Go ", 1), grpc.Version)})
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var c command
		decoder := json.NewDecoder(strings.NewReader(string(line)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&c); err != nil {
			d.end(c, nil, &driverError{err})
			continue
		}
		d.take(c)
	}
	d.mu.Lock()
	for _, client := range d.clients {
		client.Close()
	}
	for _, stop := range d.stops {
		stop()
	}
	d.mu.Unlock()
	ended := make(chan struct{})
	go func() { d.under.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(4 * time.Second):
	}
}

type driverError struct{ error }

// take starts a command; those on which later ones depend are done when it returns.
func (d *driver) take(c command) {
	ctx, stop := context.WithCancel(context.Background())
	d.mu.Lock()
	d.stops[c.ID] = stop
	session := d.sessions[c.Session]
	client := d.clients[c.Client]
	d.mu.Unlock()
	run := func(result any, err error) {
		d.end(c, result, err)
		stop()
	}
	switch {
	case c.Do == "connect":
		run(d.connect(c))
	case c.Do == "openSession" && client != nil:
		run(d.openSession(ctx, c, client))
	case c.Do == "stop":
		d.mu.Lock()
		if stop := d.stops[c.Call]; stop != nil {
			stop()
		}
		d.mu.Unlock()
		run(object{}, nil)
	case c.Do == "sessionAppend":
		if session == nil {
			run(nil, &driverError{fmt.Errorf("there is no session %q", c.Session)})
			return
		}
		// Sent in the order of the commands.
		pending, err := session.Append(ctx, c.Stream, eventsOf(c.Events), appendOptions(c)...)
		if err != nil {
			run(nil, err)
			return
		}
		d.under.Go(func() {
			result, err := pending.Wait(ctx)
			run(appended(result), err)
		})
	default:
		d.under.Go(func() {
			if c.DeadlineMs > 0 {
				timed, cancel := context.WithTimeout(ctx, time.Duration(c.DeadlineMs)*time.Millisecond)
				defer cancel()
				ctx = timed
			}
			run(d.call(ctx, c, client, session))
		})
	}
}

func (d *driver) end(c command, result any, err error) {
	if err != nil {
		d.say(object{"id": c.ID, "error": errorOf(err)})
		return
	}
	d.say(object{"id": c.ID, "result": result})
}

func (d *driver) connect(c command) (any, error) {
	o := c.Options
	var options []sluice.Option
	if o.DeadlineMs > 0 {
		options = append(options, sluice.WithCallTimeout(time.Duration(o.DeadlineMs)*time.Millisecond))
	}
	if o.AppendAttemptsMax > 0 {
		options = append(options, sluice.WithAppendAttempts(o.AppendAttemptsMax))
	}
	if o.Token != "" {
		options = append(options, sluice.WithToken(o.Token))
	}
	if o.Tokens != nil {
		var next atomic.Int64
		options = append(options, sluice.WithTokenFunc(func(context.Context) (string, error) {
			return o.Tokens[min(int(next.Add(1)), len(o.Tokens))-1], nil
		}))
	}
	if o.TLS != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(o.TLS.CA))
		options = append(options, sluice.WithTLS(&tls.Config{RootCAs: roots}))
	}
	if o.Metadata != nil {
		options = append(options, sluice.WithMetadata(o.Metadata))
	}
	client, err := sluice.Connect(strings.Join(c.Addresses, ","), options...)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[c.Client] = client
	return object{}, nil
}

func (d *driver) openSession(ctx context.Context, c command, client *sluice.Client) (any, error) {
	var options []sluice.SessionOption
	if c.PendingMax > 0 {
		options = append(options, sluice.PendingMax(c.PendingMax))
	}
	if c.InOrder {
		options = append(options, sluice.InOrder())
	}
	session, err := client.AppendSession(context.WithoutCancel(ctx), options...)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions[c.Session] = session
	return object{}, nil
}

func (d *driver) call(ctx context.Context, c command, client *sluice.Client, session *sluice.AppendSession) (any, error) {
	if c.Do == "close" && client == nil { // it has not connected
		return object{}, nil
	}
	if client == nil && session == nil {
		return nil, &driverError{fmt.Errorf("there is no client %q and no session %q", c.Client, c.Session)}
	}
	switch c.Do {
	case "close":
		return object{}, client.Close()
	case "append":
		result, err := client.Append(ctx, c.Stream, eventsOf(c.Events), appendOptions(c)...)
		return appended(result), err
	case "appendMulti":
		return appendMulti(ctx, c, client)
	case "closeSession":
		return object{}, session.Close()
	case "readStream":
		read := client.ReadStream(ctx, c.Stream, readOptions(c)...)
		count, err := d.play(c, read.Events())
		return object{"count": count, "head": object{"version": text(read.Head().GetVersion()), "position": text(read.Head().GetPosition())}}, err
	case "readAll":
		read := client.ReadAll(ctx, readOptions(c)...)
		count, err := d.play(c, read.Events())
		return object{"count": count, "cursor": read.Cursor(),
			"head": object{"position": text(read.Head().GetPosition()), "storeId": read.Head().GetStoreId()}}, err
	case "readByCorrelation":
		read := client.ReadByCorrelation(ctx, c.CorrelationID, readOptions(c)...)
		count, err := d.play(c, read.Events())
		return object{"count": count,
			"head": object{"position": text(read.Head().GetPosition()), "limitedToGrants": read.Head().GetLimitedToGrants()}}, err
	case "getVersion":
		v, err := client.GetVersion(ctx, c.Stream)
		return object{"version": text(v.GetVersion()), "position": text(v.GetPosition()), "firstVersion": text(v.GetFirstVersion())}, err
	case "serverInfo":
		info, err := client.ServerInfo(ctx)
		return object{"version": info.GetVersion()}, err
	case "subscribe":
		return d.subscribe(ctx, c, client)
	case "consume":
		return d.consume(ctx, c, client)
	case "createGroup":
		settings := &sluicev1.GroupSettings{Patterns: c.Patterns, Query: queryOf(c.Query)}
		if c.AttemptsMax != nil {
			attempts := uint32(*c.AttemptsMax)
			settings.AttemptsMax = &attempts
		}
		_, err := client.Groups().CreateGroup(ctx, &sluicev1.CreateGroupRequest{Group: c.Group, Settings: settings})
		return object{}, err
	case "erase":
		change, err := client.EraseEvents(ctx, &sluicev1.EraseEventsRequest{Stream: c.Stream, CommitId: c.CommitID,
			FromVersion: number(*c.FromVersion), ToVersion: number(*c.ToVersion), Reason: c.Reason})
		return object{"changed": change.GetChanged(), "replayed": change.GetReplayed(), "commitId": change.GetCommitId()}, err
	case "listParked":
		return listParked(ctx, c, client)
	case "retryOnConflict":
		return retryOnConflict(ctx, c, client)
	case "retryOnCondition":
		return retryOnCondition(ctx, c, client)
	}
	return nil, &driverError{fmt.Errorf("there is no command %q", c.Do)}
}

func appendMulti(ctx context.Context, c command, client *sluice.Client) (any, error) {
	var parts []*sluicev1.StreamAppend
	for _, one := range c.Appends {
		parts = append(parts, sluice.To(one.Stream, eventsOf(one.Events), expectations(one.ExpectedVersion)...))
	}
	options := appendOptions(c)
	for _, check := range c.Checks {
		if *check.ExpectedVersion == "exists" {
			options = append(options, sluice.CheckExists(check.Stream))
		} else {
			options = append(options, sluice.CheckVersion(check.Stream, number(*check.ExpectedVersion)))
		}
	}
	result, err := client.AppendMulti(ctx, parts, options...)
	streams := []object{}
	for _, one := range result.GetStreams() {
		streams = append(streams, object{"stream": one.Stream, "version": text(one.Version), "firstVersion": text(one.FirstVersion)})
	}
	return object{"position": text(result.GetPosition()), "streams": streams, "replayed": result.GetReplayed(),
		"commitId": result.GetCommitId()}, err
}

func (d *driver) subscribe(ctx context.Context, c command, client *sluice.Client) (any, error) {
	note := func(what string) func() { return func() { d.say(object{"id": c.ID, "note": what}) } }
	options := append(readOptions(c), sluice.OnCaughtUp(note("caughtUp")), sluice.OnFellBehind(note("fellBehind")),
		sluice.OnReconnect(func(err error) {
			fmt.Fprintln(os.Stderr, c.ID, "resumes after", err)
			note("reconnect")()
		}))
	subscription := client.Subscribe(ctx, options...)
	for event, err := range subscription.Events() {
		if err != nil && errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			return nil, err
		}
		d.say(object{"id": c.ID, "event": eventOf(event)})
		time.Sleep(time.Duration(c.PauseMs) * time.Millisecond)
	}
	position, _ := subscription.Position()
	return object{"position": text(position)}, nil
}

func (d *driver) consume(ctx context.Context, c command, client *sluice.Client) (any, error) {
	note := func(what string) { d.say(object{"id": c.ID, "note": what}) }
	options := []sluice.ConsumeOption{
		sluice.OnJoined(func(*sluicev1.Joined) { note("joined") }),
		sluice.OnGroupCaughtUp(func() { note("caughtUp") }),
		sluice.OnRefused(func(error) { note("refused") }),
		sluice.OnRejoin(func(err error) {
			fmt.Fprintln(os.Stderr, c.ID, "joins again after", err)
			note("reconnect")
		}),
	}
	if c.Concurrency > 0 {
		options = append(options, sluice.Concurrency(c.Concurrency))
	}
	if c.HeartbeatMs > 0 {
		options = append(options, sluice.MemberHeartbeat(time.Duration(c.HeartbeatMs)*time.Millisecond))
	}
	if c.Member != "" {
		options = append(options, sluice.MemberID(c.Member))
	}
	return object{}, client.Consume(ctx, c.Group, func(_ context.Context, delivery *sluice.Delivery) error {
		event := eventOf(delivery.Event)
		event["attempt"] = delivery.Attempt
		d.say(object{"id": c.ID, "event": event})
		switch c.OnType[delivery.Event.Type] {
		case "park":
			return &sluice.ParkEvent{Reason: "parked by the driver"}
		case "skip":
			return &sluice.SkipEvent{}
		case "fail":
			return errors.New("failed by the driver")
		}
		return nil
	}, options...)
}

func listParked(ctx context.Context, c command, client *sluice.Client) (any, error) {
	call, err := client.Groups().ListParked(ctx, &sluicev1.ListParkedRequest{Group: c.Group})
	parked := []object{}
	for err == nil {
		var message *sluicev1.ListParkedResponse
		message, err = call.Recv()
		for _, one := range message.GetParked() {
			parked = append(parked, object{"stream": one.Stream, "version": text(one.Version), "reason": one.Reason})
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return object{"parked": parked}, err
}

func retryOnConflict(ctx context.Context, c command, client *sluice.Client) (any, error) {
	attempts, collisions := 0, 0
	var version uint64
	attempt := func(ctx context.Context) error {
		attempts++
		read := client.ReadStream(ctx, c.Stream)
		if _, err := read.All(); err != nil {
			return err
		}
		if collisions < c.Collisions {
			collisions++
			if _, err := client.Append(ctx, c.Stream, []*sluice.Event{{Type: "Collision"}}); err != nil {
				return err
			}
		}
		result, err := client.Append(ctx, c.Stream, eventsOf([]event{c.Event}), sluice.ExpectVersion(read.Head().GetVersion()))
		version = result.GetVersion()
		return err
	}
	err := error(nil)
	if c.AttemptsMax != nil {
		err = sluice.RetryOnConflictUpTo(ctx, *c.AttemptsMax, attempt)
	} else {
		err = sluice.RetryOnConflict(ctx, attempt)
	}
	return object{"attempts": attempts, "version": text(version)}, err
}

func retryOnCondition(ctx context.Context, c command, client *sluice.Client) (any, error) {
	seen := []int{}
	var version uint64
	decide := func(ctx context.Context, events []*sluice.RecordedEvent, condition *sluice.AppendCondition) error {
		seen = append(seen, len(events))
		if len(seen) <= c.Collisions {
			collision := []*sluice.Event{{Type: "Collision", Tags: c.Event.Tags}}
			if _, err := client.Append(ctx, c.Stream+".other", collision); err != nil {
				return err
			}
		}
		result, err := client.Append(ctx, c.Stream, eventsOf([]event{c.Event}), sluice.WithCondition(condition))
		version = result.GetVersion()
		return err
	}
	err := error(nil)
	if c.AttemptsMax != nil {
		err = sluice.RetryOnConditionUpTo(ctx, *c.AttemptsMax, client, queryOf(c.Query), decide)
	} else {
		err = sluice.RetryOnCondition(ctx, client, queryOf(c.Query), decide)
	}
	return object{"seen": seen, "version": text(version)}, err
}

// play says each event of a read, and gives their number.
func (d *driver) play(c command, events func(func(*sluice.RecordedEvent, error) bool)) (count int, err error) {
	for event, err := range events {
		if err != nil {
			return count, err
		}
		count++
		d.say(object{"id": c.ID, "event": eventOf(event)})
	}
	return count, nil
}

func appendOptions(c command) (options []sluice.AppendOption) {
	for _, expected := range expectations(c.ExpectedVersion) {
		options = append(options, expected)
	}
	if c.CommitID != "" {
		options = append(options, sluice.WithCommitID(c.CommitID))
	}
	if given := c.Condition; given != nil {
		options = append(options, sluice.WithCondition(&sluice.AppendCondition{Query: queryOf(given.Query),
			AfterPosition: number(given.After), WithinStream: given.WithinStream}))
	}
	return options
}

func expectations(expected *string) []sluice.Expectation {
	switch {
	case expected == nil:
		return nil
	case *expected == "exists":
		return []sluice.Expectation{sluice.ExpectExists()}
	}
	return []sluice.Expectation{sluice.ExpectVersion(number(*expected))}
}

// queryOf gives nil for nil.
func queryOf(given *eventQuery) *sluice.EventQuery {
	if given == nil {
		return nil
	}
	query := &sluice.EventQuery{}
	for _, item := range given.Items {
		query.Items = append(query.Items, &sluice.QueryItem{EventTypes: item.EventTypes, Tags: item.Tags})
	}
	return query
}

func readOptions(c command) (options []sluice.ReadOption) {
	add := func(given bool, option func() sluice.ReadOption) {
		if given {
			options = append(options, option())
		}
	}
	follows := c.Do == "subscribe"
	add(follows && c.Stream != "", func() sluice.ReadOption { return sluice.Stream(c.Stream) })
	add(c.Patterns != nil, func() sluice.ReadOption { return sluice.Patterns(c.Patterns...) })
	add(c.EventTypes != nil, func() sluice.ReadOption { return sluice.Types(c.EventTypes...) })
	add(c.EventTypePrefixes != nil, func() sluice.ReadOption { return sluice.TypePrefixes(c.EventTypePrefixes...) })
	add(c.FromVersion != nil, func() sluice.ReadOption { return sluice.FromVersion(number(*c.FromVersion)) })
	add(c.ToVersion != nil, func() sluice.ReadOption { return sluice.ToVersion(number(*c.ToVersion)) })
	add(c.ToPosition != nil, func() sluice.ReadOption { return sluice.ToPosition(number(*c.ToPosition)) })
	add(c.After != nil, func() sluice.ReadOption { return sluice.After(sluice.Cursor(*c.After)) })
	add(c.AfterVersion != nil, func() sluice.ReadOption { return sluice.AfterVersion(number(*c.AfterVersion)) })
	add(c.Direction == "backward", sluice.Backward)
	add(c.MaxCount > 0, func() sluice.ReadOption { return sluice.MaxCount(c.MaxCount) })
	add(c.Query != nil, func() sluice.ReadOption { return sluice.Query(queryOf(c.Query)) })
	add(c.PermittedOnly, sluice.PermittedOnly)
	add(c.FromNow, sluice.FromNow)
	add(c.StartMustExist, sluice.StartMustExist)
	add(c.HeartbeatMs > 0, func() sluice.ReadOption { return sluice.Heartbeat(time.Duration(c.HeartbeatMs) * time.Millisecond) })
	return options
}

func eventsOf(given []event) []*sluice.Event {
	events := []*sluice.Event{}
	for _, e := range given {
		made := &sluice.Event{Type: e.Type, ContentType: e.ContentType, Id: e.ID, CorrelationId: e.CorrelationID,
			CausationId: e.CausationID, Tags: e.Tags, Metadata: e.Metadata}
		if e.Text != nil {
			made.Payload = &sluicev1.Event_Text{Text: *e.Text}
		}
		if e.Binary != nil {
			made.Payload = &sluicev1.Event_Binary{Binary: *e.Binary}
		}
		events = append(events, made)
	}
	return events
}

func eventOf(e *sluice.RecordedEvent) object {
	tags, metadata := e.Tags, e.Metadata
	if tags == nil {
		tags = []string{}
	}
	if metadata == nil {
		metadata = map[string]string{}
	}
	made := object{"stream": e.Stream, "version": text(e.Version), "position": text(e.Position), "id": e.Id, "type": e.Type,
		"contentType": e.ContentType, "correlationId": e.CorrelationId, "causationId": e.CausationId, "tags": tags, "metadata": metadata,
		"erased": e.Erased}
	switch payload := e.Payload.(type) {
	case *sluicev1.RecordedEvent_Text:
		made["text"] = payload.Text
	case *sluicev1.RecordedEvent_Binary:
		made["binary"] = base64.StdEncoding.EncodeToString(payload.Binary)
	}
	return made
}

func appended(r *sluicev1.AppendResponse) any {
	return object{"version": text(r.GetVersion()), "firstVersion": text(r.GetFirstVersion()), "position": text(r.GetPosition()),
		"replayed": r.GetReplayed(), "commitId": r.GetCommitId()}
}

func text(number uint64) string { return strconv.FormatUint(number, 10) }

func number(text string) uint64 {
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}
