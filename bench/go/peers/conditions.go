package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// commonTag is on a tenth of the events of fillTags.
const commonTag = "common"

// fillTags stores single-event commits: runs of ten, of which each has the tag of an item and the first one the common tag. Each
// item has ten runs, as far from each other as can be.
func fillTags(peer peer, asked job) (*report, error) {
	if _, err := peer.readByTags([]string{commonTag}); errors.Is(err, errNotThere) {
		return nil, err
	}
	commits := make([]commit, asked.Events)
	for i := range commits {
		item := nameOf(asked.Prefix, i/10%asked.Count)
		commits[i] = commit{stream: item, id: newID(), correlationID: correlationOf(item), tags: []string{item}}
		if i%10 == 0 {
			commits[i].tags = append(commits[i].tags, commonTag)
		}
	}
	started := time.Now()
	err := peer.fill(commits)
	took := max(1, time.Since(started).Microseconds())
	return &report{Times: []int64{took}, StartedMs: milliseconds(started), EndedMs: milliseconds(time.Now())}, err
}

// decide appends, on conditions or not. Callers on conditions know the position of the last event with their tag, from their last
// append or look; if they are refused, they look again. A call ends when its event is stored. Those beside go on until the others have
// ended, all together at the rate, if there is one.
func decide(peer peer, asked job) (*report, error) {
	var ended atomic.Bool
	var beside sync.WaitGroup
	failures := make(chan error, asked.Callers+asked.Beside)
	times := make([][]int64, asked.Callers)
	started := time.Now()
	for caller := range asked.Beside {
		kind := cmp.Or(asked.BesideKind, "disjoint")
		decider := newDecider(peer, job{Kind: kind, Prefix: asked.Prefix + "-beside", FirstCall: asked.FirstCall}, caller)
		beside.Go(func() {
			for call := caller; !ended.Load(); call += asked.Beside {
				if asked.Rate > 0 {
					time.Sleep(time.Until(started.Add(time.Duration(call) * time.Second / time.Duration(asked.Rate))))
				}
				if err := decider.decide(); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	var running sync.WaitGroup
	for caller := range asked.Callers {
		decider := newDecider(peer, asked, caller)
		running.Go(func() {
			for range asked.CallsEach {
				called := time.Now()
				if err := decider.decide(); err != nil {
					failures <- err
					return
				}
				times[caller] = append(times[caller], max(1, time.Since(called).Microseconds()))
			}
		})
	}
	running.Wait()
	done := &report{StartedMs: milliseconds(started), EndedMs: milliseconds(time.Now())}
	ended.Store(true)
	beside.Wait()
	for _, some := range times {
		done.Times = append(done.Times, some...)
	}
	select {
	case err := <-failures:
		return nil, err
	default:
		return done, nil
	}
}

type decider struct {
	peer        peer
	kind        string
	stream, tag string
	after       uint64
}

func newDecider(peer peer, asked job, caller int) *decider {
	name := fmt.Sprintf("%s-%d-%d", asked.Prefix, asked.FirstCall, caller)
	tag := name
	if asked.Kind == "hot" {
		tag = asked.Prefix + "-" + strconv.Itoa(asked.FirstCall)
	}
	return &decider{peer: peer, kind: asked.Kind, stream: name, tag: tag}
}

func (d *decider) decide() error {
	one := commit{stream: d.stream, id: newID(), correlationID: newID(), tags: []string{d.tag}}
	if d.kind == "plain" {
		return d.peer.appendAny(one)
	}
	append := d.peer.appendIf
	if d.kind == "disjointInSession" {
		append = d.peer.inSession
	}
	for {
		position, isRefused, err := append(one, d.tag, d.after)
		if err != nil {
			return err
		}
		if !isRefused {
			d.after = position
			return nil
		}
		if d.kind != "hot" {
			return fmt.Errorf("a false conflict of %s after %d", d.tag, d.after)
		}
		if d.after, err = d.peer.look(d.tag, d.after); err != nil {
			return err
		}
	}
}
