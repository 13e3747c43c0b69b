package auth

import (
	"sync"

	"example.org/relay/protocol"
)

var (
	mu         sync.Mutex
	challenges = make(map[protocol.ClientInterface]string)
	sessions   = make(map[protocol.ClientInterface]string)
)

func Challenge(client protocol.ClientInterface, text string) {
	mu.Lock()
	defer mu.Unlock()
	challenges[client] = text
}

func Authenticated(client protocol.ClientInterface, key string) {
	mu.Lock()
	defer mu.Unlock()
	sessions[client] = key
	delete(challenges, client)
}

func Disconnected(client protocol.ClientInterface) {
	mu.Lock()
	defer mu.Unlock()
	delete(sessions, client)
	delete(challenges, client)
}
