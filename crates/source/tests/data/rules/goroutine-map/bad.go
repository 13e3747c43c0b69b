package collect

import "net"

type packet struct {
	from net.Addr
	data []byte
}

// Start runs a goroutine whose map has an entry for every sender.
func Start(packets chan packet, total func(net.Addr, int)) {
	sizes := make(map[net.Addr]int)
	go func() {
		for {
			got := <-packets
			sizes[got.from] += len(got.data)
			total(got.from, sizes[got.from])
		}
	}()
}
