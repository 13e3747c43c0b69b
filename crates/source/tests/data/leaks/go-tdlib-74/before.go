package ask

import (
	"errors"
	"sync"
	"time"
)

type Client struct {
	waiters sync.Map
}

// Ask forgets the waiter only if no answer comes.
func (c *Client) Ask(id string) ([]byte, error) {
	waiter := make(chan []byte, 1)
	c.waiters.Store(id, waiter)
	select {
	case answer := <-waiter:
		return answer, nil
	case <-time.After(time.Second):
		c.waiters.Delete(id)
		return nil, errors.New("no answer")
	}
}
