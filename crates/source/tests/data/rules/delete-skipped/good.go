package ask

import (
	"errors"
	"sync"
	"time"
)

type Client struct {
	waiters sync.Map
	entered sync.Map
	names   map[string]bool
}

func (c *Client) Ask(id string) ([]byte, error) {
	waiter := make(chan []byte, 1)
	c.waiters.Store(id, waiter)
	defer c.waiters.Delete(id)
	select {
	case answer := <-waiter:
		return answer, nil
	case <-time.After(time.Second):
		return nil, errors.New("no answer")
	}
}

// Enter takes the entry out on each way.
func (c *Client) Enter(id string, enter func() error) error {
	c.entered.Store(id, true)
	if err := enter(); err != nil {
		c.entered.Delete(id)
		return err
	}
	c.entered.Delete(id)
	return nil
}

// Name keeps the entry unless it turns out wrong: it is meant to stay.
func (c *Client) Name(name string, check func() error) error {
	c.names[name] = true
	if err := check(); err != nil {
		delete(c.names, name)
		return err
	}
	return nil
}
