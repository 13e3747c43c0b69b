package events

import "time"

type Log struct {
	at map[time.Time]string
	on map[int64]string
}

func (l *Log) Add(when time.Time, what string) {
	l.at[when.UTC().Round(0)] = what
	l.on[when.UnixNano()] = what
}

func (l *Log) Cut(before time.Time) {
	for when := range l.at {
		if when.Before(before) {
			delete(l.at, when)
		}
	}
	clear(l.on)
}

type node struct{ next *node }

// Count goes through a list that may be a circle: here the pointer is what is asked for.
func Count(first *node) int {
	seen := make(map[*node]bool)
	for at := first; at != nil && !seen[at]; at = at.next {
		seen[at] = true
	}
	return len(seen)
}
