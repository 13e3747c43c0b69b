package pump

import (
	"context"
	"time"
)

func Run(messages chan string, handle func(string)) {
	idle := time.NewTimer(time.Hour)
	defer idle.Stop()
	for {
		select {
		case message := <-messages:
			handle(message)
			idle.Reset(time.Hour)
		case <-idle.C:
			return
		}
	}
}

// Retry leaves the loop with the only timer that is left behind.
func Retry(ctx context.Context, try func() error) error {
	for {
		if err := try(); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
