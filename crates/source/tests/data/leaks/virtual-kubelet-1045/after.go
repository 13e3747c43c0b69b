// The fix of virtual-kubelet/virtual-kubelet#1045: the same key is deleted, and no pod is kept.
package node

import (
	"context"
	"sync"
)

// Pod is what is run.
type Pod struct{ Namespace, Name, UID string }

// Provider runs pods.
type Provider interface {
	Delete(ctx context.Context, pod *Pod) error
}

type wrapper struct {
	Provider
	// deleted has the pods that were asked to be deleted.
	deleted sync.Map
}

func nameOf(pod *Pod) string { return pod.Namespace + "/" + pod.Name }

// Delete deletes a pod.
func (w *wrapper) Delete(ctx context.Context, pod *Pod) error {
	key := nameOf(pod)
	w.deleted.Store(key, struct{}{})
	if err := w.Provider.Delete(ctx, pod); err != nil {
		w.deleted.Delete(key)
		return err
	}
	return nil
}

func (w *wrapper) forget(key string) {
	w.deleted.Delete(key)
}

// Gone is told of pods that are gone for good.
func (w *wrapper) Gone(pod *Pod) {
	w.forget(nameOf(pod))
}
