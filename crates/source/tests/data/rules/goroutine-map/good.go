package collect

import "net"

type packet struct {
	from net.Addr
	data []byte
	last bool
}

func Start(packets chan packet, total func(net.Addr, int)) {
	sizes := make(map[net.Addr]int)
	go func() {
		for {
			got := <-packets
			sizes[got.from] += len(got.data)
			if got.last {
				total(got.from, sizes[got.from])
				delete(sizes, got.from)
			}
		}
	}()
}

// Each has a map for each turn.
func Each(lists chan []packet, total func(map[net.Addr]int)) {
	go func() {
		for list := range lists {
			sizes := make(map[net.Addr]int)
			for _, got := range list {
				sizes[got.from] += len(got.data)
			}
			total(sizes)
		}
	}()
}
