package hub

import (
	"net"
	"sync"
)

type Hub struct {
	mu    sync.Mutex
	peers map[net.Conn]string
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
	if h.peers == nil {
		h.peers = make(map[net.Conn]string)
	}
	h.peers[conn] = name
}
