package debugger

import (
	"encoding/json"
	"sync"
)

type Remote struct {
	sync.Mutex
	next    int
	answers map[int]chan json.RawMessage
	sends   chan int
}

func (r *Remote) Send(method string) json.RawMessage {
	r.Lock()
	id := r.next
	r.answers[id] = make(chan json.RawMessage, 1)
	r.next++
	r.Unlock()
	r.sends <- id
	got := <-r.answers[id]
	r.Lock()
	delete(r.answers, id)
	r.Unlock()
	return got
}
