package sluice

import (
	"regexp"
	"strconv"
)

// Cursor says where a reader is in the order of the whole store, also within a commit: a text without spaces, to be stored as it is
// together with what the program makes of the events. It belongs to the filters and the direction of the read or subscription that it
// comes from, and to the store. "" is the beginning. The clients in other languages have the same form.
type Cursor string

// AfterPosition is the cursor after the whole commit at a position, in any store.
func AfterPosition(position uint64) Cursor {
	return Cursor(strconv.FormatUint(position, 10))
}

// cursorForm is position[+count][@storeId].
var cursorForm = regexp.MustCompile(`^(\d{1,20})(?:\+(\d{1,20}))?(?:@([\x21-\x7e]+))?$`)

// place is a cursor as the contract has it. It has no pointers: it moves on with every event.
type place struct {
	position, count       uint64
	hasPosition, hasCount bool
	storeID               string
}

func (c Cursor) place() (place, error) {
	if c == "" {
		return place{}, nil
	}
	parts := cursorForm.FindStringSubmatch(string(c))
	if parts == nil {
		return place{}, badArgument("%q is not a cursor", string(c))
	}
	at := place{hasPosition: true, hasCount: parts[2] != "", storeID: parts[3]}
	var err error
	at.position, err = strconv.ParseUint(parts[1], 10, 64)
	if err == nil && at.hasCount {
		at.count, err = strconv.ParseUint(parts[2], 10, 64)
	}
	if err != nil {
		return place{}, badArgument("%q is not a cursor", string(c))
	}
	return at, nil
}

func (p place) cursor() Cursor {
	if !p.hasPosition {
		return ""
	}
	text := strconv.FormatUint(p.position, 10)
	if p.hasCount {
		text += "+" + strconv.FormatUint(p.count, 10)
	}
	if p.storeID != "" {
		text += "@" + p.storeID
	}
	return Cursor(text)
}

// sent gives the fields of a request.
func (p place) sent() (afterPosition, afterCount *uint64) {
	if p.hasPosition {
		afterPosition = &p.position
	}
	if p.hasCount {
		afterCount = &p.count
	}
	return afterPosition, afterCount
}

// onEvent moves on after an event of the commit at a position.
func (p *place) onEvent(position uint64) {
	if p.hasCount && p.position == position {
		p.count++
		return
	}
	p.position, p.count, p.hasPosition, p.hasCount = position, 1, true, true
}

// onPosition moves on to a position up to which the reader has everything; nil: it stands within a commit.
func (p *place) onPosition(position *uint64) {
	if position != nil {
		p.position, p.hasPosition, p.hasCount = *position, true, false
	}
}
