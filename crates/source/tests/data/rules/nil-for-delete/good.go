package calls

import "sync"

type Client struct {
	mu      sync.Mutex
	waiting map[int]chan []byte
	state   map[string][]byte
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
	delete(c.waiting, id)
	c.mu.Unlock()
}

// Note keeps nil for names without a value: here it is a value like others.
func (c *Client) Note(name string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(value) == 0 {
		c.state[name] = nil
	} else {
		c.state[name] = value
	}
}
