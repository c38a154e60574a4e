package main

import (
	"crypto/rand"
	"fmt"
	"strings"
)

const eventType = "OrderPlaced"

// A payload of 200 bytes, that of events.ts.
var text = func() string {
	payload := `{"customer":"c-4711","currency":"EUR","lines":[{"sku":"A-1","count":2,"price":1990}],"note":""}`
	return strings.Replace(payload, `"note":""`, `"note":"`+strings.Repeat("x", 200-len(payload))+`"`, 1)
}()

// newID makes a UUID v4.
func newID() string {
	var b [16]byte
	_, err := rand.Read(b[:])
	check(err)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
