package events

import "time"

type Log struct {
	at map[time.Time]string
}

func (l *Log) Add(when time.Time, what string) {
	l.at[when] = what
}

type point struct{ x, y int }

// Mark can't be asked for: every key is another pointer.
func Mark(x, y int) map[*point]bool {
	marks := make(map[*point]bool)
	marks[&point{x, y}] = true
	return marks
}
