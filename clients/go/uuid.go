package sluice

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID makes a UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then random bits. It is the best form of a commit id.
func NewID() string {
	var id [16]byte
	rand.Read(id[6:]) // never fails
	ms := uint64(time.Now().UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, id[[]int{0, 4, 6, 8, 10}[i]:end])
	}
	return string(text)
}
