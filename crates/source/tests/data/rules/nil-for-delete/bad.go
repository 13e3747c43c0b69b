package calls

import "sync"

type Client struct {
	mu      sync.Mutex
	waiting map[int]chan []byte
}

func (c *Client) Send(id int) []byte {
	answer := make(chan []byte, 1)
	c.mu.Lock()
	c.waiting[id] = answer
	c.mu.Unlock()
	got := <-answer
	c.done(id)
	return got
}

func (c *Client) done(id int) {
	c.mu.Lock()
	c.waiting[id] = nil
	c.mu.Unlock()
}
