// A load process for the table of peers: the same work on Sluice, UmaDB and Message DB, whichever the URL names. It gets
// jobs as lines of JSON and answers reports, as the load process one folder above does.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// A peer is one store. Streams are named category.x-n, which is a name to all of them.
type peer interface {
	// fill stores commits of one event, fast: how many go into one call is up to it.
	fill(commits []commit) error
	// append stores one event in a stream that is at a version, and comes back when it is on disk.
	append(one commit, version uint64) error
	read(stream string, anyReplica bool) (events int, err error)
	readAll() (events int, err error)
	// subscribeAll subscribes from the start and ends when so many events have come.
	subscribeAll(events int) (found int, err error)
	readByCorrelation(id string) (events int, err error)
	version(stream string) (uint64, error)
	// appendIf stores an event with a tag if none with it was stored after a position, and gives its own position.
	appendIf(one commit, tag string, after uint64) (position uint64, isRefused bool, err error)
	// inSession is appendIf, pipelined with that of other callers over one call where there is such a call.
	inSession(one commit, tag string, after uint64) (position uint64, isRefused bool, err error)
	// appendAny stores an event, whatever is stored.
	appendAny(one commit) error
	// look gives the position where the store was, after a read of the events with a tag after another position.
	look(tag string, after uint64) (position uint64, err error)
	readByTags(tags []string) (events int, err error)
	// follow gives the ids of the events that are stored from now on, until the process ends.
	follow(ready func(), onEvent func(id string)) error
}

// A part that a peer does not have.
var errNotThere = errors.New("it has no such call")

type commit struct {
	stream, id, correlationID string
	tags                      []string
}

type job struct {
	Kind string
	// Calls go to the streams, or correlation ids, prefix-n with n below this.
	Prefix     string
	Count      int
	Events     int
	AnyReplica bool
	Callers    int
	CallsEach  int
	FirstCall  int
	// Of single streams that lie far from each other.
	Stride int
	// Appends per second; 0: as many as can be.
	Rate int
	// Callers that append meanwhile, and how: on conditions with tags of their own unless it says otherwise.
	Beside     int
	BesideKind string
}

type report struct {
	// Of all calls, in microseconds.
	Times     []int64 `json:"times"`
	StartedMs float64 `json:"startedMs"`
	EndedMs   float64 `json:"endedMs"`
}

func main() {
	peer := open(os.Args[1])
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
		switch asked.Kind {
		case "fill":
			perform = fill
		case "fillTags":
			perform = fillTags
		case "delivery":
			perform = deliver
		case "disjoint", "disjointInSession", "hot", "plain":
			perform = decide
		}
		done, err := perform(peer, asked)
		if err != nil {
			check(output.Encode(map[string]string{"error": err.Error()}))
			continue
		}
		check(output.Encode(done))
	}
}

func open(url string) peer {
	scheme, address, _ := strings.Cut(url, "://")
	switch scheme {
	case "sluice":
		return openSluice(address)
	case "umadb":
		return openUmaDB(address)
	case "postgres":
		return openMessageDB(url)
	}
	panic("no peer is called " + scheme)
}

func run(peer peer, asked job) (*report, error) {
	times := make([][]int64, asked.Callers)
	failures := make([]error, asked.Callers)
	started := time.Now()
	var running sync.WaitGroup
	for caller := range asked.Callers {
		running.Go(func() {
			for call := range asked.CallsEach {
				index := ((asked.FirstCall+call)*asked.Callers + caller) * max(1, asked.Stride) % asked.Count
				called := time.Now()
				if failures[caller] = once(peer, asked, index); failures[caller] != nil {
					return
				}
				times[caller] = append(times[caller], max(1, time.Since(called).Microseconds()))
			}
		})
	}
	running.Wait()
	done := &report{StartedMs: milliseconds(started), EndedMs: milliseconds(time.Now())}
	for _, some := range times {
		done.Times = append(done.Times, some...)
	}
	for _, failure := range failures {
		if failure != nil {
			return nil, failure
		}
	}
	return done, nil
}

func once(peer peer, asked job, index int) error {
	name := nameOf(asked.Prefix, index)
	events := 0
	var err error
	switch asked.Kind {
	case "read":
		events, err = peer.read(name, asked.AnyReplica)
	case "readAll":
		events, err = peer.readAll()
	case "subscribe":
		events, err = peer.subscribeAll(asked.Events)
	case "correlation":
		events, err = peer.readByCorrelation(correlationOf(name))
	case "tags":
		events, err = peer.readByTags([]string{commonTag, name})
	case "version":
		var version uint64
		version, err = peer.version(name)
		events = int(version)
	default:
		err = fmt.Errorf("no job is called %s", asked.Kind)
	}
	if err == nil && events != asked.Events {
		err = fmt.Errorf("%s of %s: %d events, not %d", asked.Kind, name, events, asked.Events)
	}
	return err
}

// fill stores so many single-event commits in each of the streams; those of one stream lie as far from each other as can be.
func fill(peer peer, asked job) (*report, error) {
	commits := make([]commit, 0, asked.Count*asked.Events)
	for range asked.Events {
		for index := range asked.Count {
			name := nameOf(asked.Prefix, index)
			commits = append(commits, commit{stream: name, id: newID(), correlationID: correlationOf(name)})
		}
	}
	started := time.Now()
	err := peer.fill(commits)
	took := max(1, time.Since(started).Microseconds())
	return &report{Times: []int64{took}, StartedMs: milliseconds(started), EndedMs: milliseconds(time.Now())}, err
}

// deliver appends at a rate to new streams, whether answers come or not; times are from the call until the event has come
// to a subscriber of the whole store.
func deliver(peer peer, asked job) (*report, error) {
	var mutex sync.Mutex
	called := map[string]time.Time{}
	done := &report{}
	ready, all := make(chan struct{}), make(chan struct{})
	ended := make(chan error, asked.CallsEach+1)
	go func() {
		ended <- peer.follow(func() { close(ready) }, func(id string) {
			mutex.Lock()
			defer mutex.Unlock()
			at, isOurs := called[id]
			if !isOurs {
				return
			}
			done.Times = append(done.Times, max(1, time.Since(at).Microseconds()))
			if len(done.Times) == asked.CallsEach {
				close(all)
			}
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		return nil, err
	}
	started := time.Now()
	for call := range asked.CallsEach {
		time.Sleep(time.Until(started.Add(time.Duration(call) * time.Second / time.Duration(asked.Rate))))
		one := commit{stream: nameOf(asked.Prefix, asked.FirstCall+call), id: newID(), correlationID: newID()}
		mutex.Lock()
		called[one.id] = time.Now()
		mutex.Unlock()
		go func() {
			if err := peer.append(one, 0); err != nil {
				ended <- err
			}
		}()
	}
	select {
	case <-all:
	case err := <-ended:
		return nil, err
	}
	mutex.Lock()
	defer mutex.Unlock()
	done.StartedMs, done.EndedMs = milliseconds(started), milliseconds(time.Now())
	return done, nil
}

func nameOf(prefix string, index int) string {
	return fmt.Sprintf("%s-%d", prefix, index)
}

func correlationOf(stream string) string {
	return "correlation-" + stream
}

func milliseconds(t time.Time) float64 {
	return float64(t.UnixMicro()) / 1000
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
