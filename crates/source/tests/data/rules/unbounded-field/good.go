package hub

import (
	"net"
	"sync"
)

type Hub struct {
	mu      sync.Mutex
	peers   map[net.Conn]string
	current map[string]int
	options map[string]string
}

func NewHub(options map[string]string) *Hub {
	h := &Hub{peers: make(map[net.Conn]string), options: make(map[string]string)}
	for name, value := range options {
		h.options[name] = value
	}
	return h
}

func (h *Hub) Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		h.add(conn, conn.RemoteAddr().String())
	}
}

func (h *Hub) add(conn net.Conn, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.peers[conn] = name
	h.current[name]++
}

func (h *Hub) drop(conn net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	remove(h.peers, conn)
}

// remove takes entries out of the map that it is handed.
func remove(peers map[net.Conn]string, conn net.Conn) {
	delete(peers, conn)
}

func (h *Hub) rotate() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current = make(map[string]int)
}
