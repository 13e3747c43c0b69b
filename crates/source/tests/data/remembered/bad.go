package node

import (
	"context"
	"sync"
)

type provider interface {
	Create(ctx context.Context, pod *Pod) error
	Delete(ctx context.Context, pod *Pod) error
}

type Pod struct{ Namespace, Name string }

type wrapper struct {
	provider
	deleted sync.Map
}

func (w *wrapper) CreatePod(ctx context.Context, pod *Pod) error {
	key := pod.Namespace + "/" + pod.Name
	w.deleted.Delete(key)
	return w.provider.Create(ctx, pod)
}

func (w *wrapper) DeletePod(ctx context.Context, pod *Pod) error {
	key := pod.Namespace + "/" + pod.Name
	w.deleted.Store(key, pod)
	if err := w.provider.Delete(ctx, pod); err != nil {
		w.deleted.Delete(key)
		return err
	}
	return nil
}
