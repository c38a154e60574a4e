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

// place is a cursor as the contract has it.
type place struct {
	position, count *uint64
	storeID         string
}

func (c Cursor) place() (place, error) {
	if c == "" {
		return place{}, nil
	}
	parts := cursorForm.FindStringSubmatch(string(c))
	if parts == nil {
		return place{}, badArgument("%q is not a cursor", string(c))
	}
	position, err := strconv.ParseUint(parts[1], 10, 64)
	at := place{position: &position, storeID: parts[3]}
	if err == nil && parts[2] != "" {
		var count uint64
		count, err = strconv.ParseUint(parts[2], 10, 64)
		at.count = &count
	}
	if err != nil {
		return place{}, badArgument("%q is not a cursor", string(c))
	}
	return at, nil
}

func (p place) cursor() Cursor {
	if p.position == nil {
		return ""
	}
	text := strconv.FormatUint(*p.position, 10)
	if p.count != nil {
		text += "+" + strconv.FormatUint(*p.count, 10)
	}
	if p.storeID != "" {
		text += "@" + p.storeID
	}
	return Cursor(text)
}

// onEvent moves on after an event of the commit at a position.
func (p *place) onEvent(position uint64) {
	count := uint64(1)
	if p.position != nil && *p.position == position && p.count != nil {
		count += *p.count
	}
	p.position, p.count = &position, &count
}

// onPosition moves on to a position up to which the reader has everything; nil: it stands within a commit.
func (p *place) onPosition(position *uint64) {
	if position != nil {
		p.position, p.count = position, nil
	}
}
