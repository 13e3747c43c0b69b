package pump

import "time"

// Run leaves a timer of an hour behind for every message.
func Run(messages chan string, handle func(string)) {
	for {
		select {
		case message := <-messages:
			handle(message)
		case <-time.After(time.Hour):
			return
		}
	}
}
