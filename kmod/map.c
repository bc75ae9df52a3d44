// SPDX-License-Identifier: GPL-2.0
/*
 * Regions and their mappings. Rights come from the role of the file, never from
 * what mmap() asks for, and cannot be changed afterwards.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "ring.h"

#define KERNEL_BIT		BIT(0)
#define CONSUMER_BIT		BIT(1)
#define PRODUCER_BIT		BIT(2)
#define DATA_BIT		BIT(3)

static struct shmring_region region_of_pages(unsigned long first, unsigned long nr)
{
	return (struct shmring_region) {
		.offset = (u64)first << PAGE_SHIFT,
		.length = (u64)nr << PAGE_SHIFT,
	};
}

/* Say where the regions are. */
void shmring_regions(const struct shmring *ring, struct shmring_ioc_query *q)
{
	q->kernel = region_of_pages(SHMRING_KERNEL_PAGE, 1);
	q->consumer = region_of_pages(SHMRING_CONSUMER_PAGE, 1);
	q->producer = region_of_pages(SHMRING_PRODUCER_PAGE, 1);
	q->data = region_of_pages(SHMRING_DATA_PAGE, 2 * ring->nr_data);
}
EXPORT_SYMBOL_IF_KUNIT(shmring_regions);

/**
 * shmring_find_span - what may be mapped at once
 * @ring: the ring
 * @first: page offset
 * @nr: pages
 * @span: filled in, if there is such a span
 *
 * Regions are mapped whole or not at all, so there is nothing to add up and
 * nothing to overflow: @first and @nr are looked up in a table.
 *
 * Return: whether there is such a span.
 */
bool shmring_find_span(const struct shmring *ring, unsigned long first, unsigned long nr,
		       struct shmring_span *span)
{
	const struct shmring_span table[] = {
		{ SHMRING_KERNEL_PAGE, 1, SHMRING_ROLE_NONE, KERNEL_BIT },
		{ SHMRING_CONSUMER_PAGE, 1, SHMRING_ROLE_CONSUMER, CONSUMER_BIT },
		{ SHMRING_PRODUCER_PAGE, 1, SHMRING_ROLE_PRODUCER, PRODUCER_BIT },
		{ SHMRING_DATA_PAGE, 2 * ring->nr_data, SHMRING_ROLE_PRODUCER, DATA_BIT },
		{ SHMRING_PRODUCER_PAGE, 1 + 2 * ring->nr_data, SHMRING_ROLE_PRODUCER,
		  PRODUCER_BIT | DATA_BIT },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].first == first && table[i].nr == nr) {
			*span = table[i];
			return true;
		}
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(shmring_find_span);

/* Only the role's own regions are ever writable. */
static bool holds_role(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MAYWRITE;
}

/* Other mappings matter in a lane, which must not be given away while one of them is left. */
static bool is_counted(const struct vm_area_struct *vma)
{
	return holds_role(vma) || shmring_is_lane_end(vma->vm_private_data);
}

/* mremap(), until it is refused: a second VMA for the same pages. */
static void vm_open(struct vm_area_struct *vma)
{
	struct shmring_file *sf = vma->vm_private_data;

	if (!is_counted(vma))
		return;
	spin_lock(&sf->ring->lock);
	if (holds_role(vma))
		sf->nr_vmas++;
	else
		sf->nr_views++;
	spin_unlock(&sf->ring->lock);
}

/* munmap(), exec, exit and every death come here, even if a child has the file. */
static void vm_close(struct vm_area_struct *vma)
{
	struct shmring_file *sf = vma->vm_private_data;

	if (!is_counted(vma))
		return;
	spin_lock(&sf->ring->lock);
	if (!holds_role(vma))
		sf->nr_views--;
	else if (!--sf->nr_vmas)
		shmring_role_end(sf);
	shmring_leave_lane(sf);
	spin_unlock(&sf->ring->lock);
}

int shmring_vm_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

int shmring_vm_mremap(struct vm_area_struct *vma)
{
	return -EPERM;
}

static const struct vm_operations_struct shmring_vm_ops = {
	.open = vm_open,
	.close = vm_close,
	.may_split = shmring_vm_may_split,
	.mremap = shmring_vm_mremap,
};

/* How many pages are mapped between two checks for SIGKILL, where other tasks may run. */
#define PAGES_AT_A_TIME		512

static int insert_pages(struct vm_area_struct *vma, unsigned long *addr, struct page **pages,
			unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++, *addr += PAGE_SIZE) {
		if (i % PAGES_AT_A_TIME == 0) {
			cond_resched();
			if (fatal_signal_pending(current))
				return -EINTR;
		}
		if (vmf_insert_pfn(vma, *addr, page_to_pfn(pages[i])) != VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Map all pages of @span now; there are no faults. The entries are bare frames, which the
 * kernel does not follow to a struct page: the fast path of get_user_pages() looks at the
 * entries alone. The mapping holds the file, the file the ring, and the ring its pages.
 *
 * The time for this depends on the CPU time that the caller gets, so no lock is held but the
 * caller's mmap_lock. No other thread can find the VMA yet. If this fails, the kernel's mmap
 * code unmaps the pages.
 */
static int insert_span(struct vm_area_struct *vma, struct shmring *ring,
		       const struct shmring_span *span)
{
	unsigned long addr = vma->vm_start;
	int ret;

	if (span->first < SHMRING_DATA_PAGE) {
		ret = insert_pages(vma, &addr, ring->pages + span->first, 1);
		if (ret || !(span->bits & DATA_BIT))
			return ret;
	}
	ret = insert_pages(vma, &addr, ring->pages + SHMRING_DATA_PAGE, ring->nr_data);
	if (ret)
		return ret;
	return insert_pages(vma, &addr, ring->pages + SHMRING_DATA_PAGE, ring->nr_data);
}

/* May @sf map its own @span now? Each region once, and all by one process. */
static int may_map_own(const struct shmring_file *sf, const struct shmring_span *span,
		       const struct mm_struct *mm)
{
	if (shmring_side(sf->ring, sf->role)->owner != sf)
		return -ESHUTDOWN;
	if ((sf->mapped & span->bits) || (sf->mm && sf->mm != mm))
		return -EBUSY;
	return 0;
}

/* Count a mapping of @span before it is there, so that no second one can begin. */
static int reserve_own(struct shmring_file *sf, const struct shmring_span *span,
		       struct mm_struct *mm)
{
	struct shmring_side *side = shmring_side(sf->ring, sf->role);
	int ret;

	spin_lock(&sf->ring->lock);
	ret = may_map_own(sf, span, mm);
	if (!ret) {
		sf->mapped |= span->bits;
		sf->mm = mm;
		sf->nr_vmas++;
		shmring_set_mm(side, mm);
		shmring_set_pid(side, task_tgid(current));
	}
	spin_unlock(&sf->ring->lock);
	return ret;
}

/*
 * The mapping has failed. The role has not ended meanwhile, unless by KICK, because the file is
 * in use and the caller's mmap_lock keeps its other own mappings, which only this process can
 * have. So if no mapping is left now, there was none before.
 */
static void unreserve_own(struct shmring_file *sf, const struct shmring_span *span)
{
	spin_lock(&sf->ring->lock);
	sf->mapped &= ~span->bits;
	if (!--sf->nr_vmas) {
		sf->mm = NULL;
		shmring_set_mm(shmring_side(sf->ring, sf->role), NULL);
	}
	shmring_leave_lane(sf);
	spin_unlock(&sf->ring->lock);
}

static int map_own(struct shmring_file *sf, struct vm_area_struct *vma,
		   const struct shmring_span *span)
{
	int ret = reserve_own(sf, span, vma->vm_mm);

	if (ret)
		return ret;
	ret = insert_span(vma, sf->ring, span);
	if (ret)
		unreserve_own(sf, span);
	return ret;
}

/*
 * The other side's regions, and the kernel's. A lane end whose role is over maps none, as the
 * lane may be another process's by now.
 */
static int map_view(struct shmring_file *sf, struct vm_area_struct *vma,
		    const struct shmring_span *span)
{
	int ret = 0;

	if (!shmring_is_lane_end(sf))
		return insert_span(vma, sf->ring, span);
	spin_lock(&sf->ring->lock);
	if (shmring_is_over(sf))
		ret = -ESHUTDOWN;
	else
		sf->nr_views++;
	spin_unlock(&sf->ring->lock);
	if (ret)
		return ret;
	ret = insert_span(vma, sf->ring, span);
	if (ret) {
		spin_lock(&sf->ring->lock);
		sf->nr_views--;
		shmring_leave_lane(sf);
		spin_unlock(&sf->ring->lock);
	}
	return ret;
}

/*
 * Not executable, not grown, not dumped, not copied by fork (nor after MADV_DOFORK,
 * which 6.1 refuses only for VM_IO), and not reached by get_user_pages(): neither
 * /proc/PID/mem nor a long-term pin can reach the memory. @own: the process may write.
 */
void shmring_protect_vma(struct vm_area_struct *vma, bool own)
{
	vm_flags_clear(vma, VM_MAYEXEC | (own ? 0 : VM_MAYWRITE));
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
}

int shmring_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct shmring_file *sf = file->private_data;
	struct shmring_span span;
	bool own;
	int ret;

	if (sf->role == SHMRING_ROLE_NONE)
		return -EACCES;
	if (!(vma->vm_flags & VM_SHARED) ||
	    !shmring_find_span(sf->ring, vma->vm_pgoff, vma_pages(vma), &span))
		return -EINVAL;
	own = span.writer == sf->role;
	if ((vma->vm_flags & VM_EXEC) || (!own && (vma->vm_flags & VM_WRITE)))
		return -EACCES;

	shmring_protect_vma(vma, own);
	ret = own ? map_own(sf, vma, &span) : map_view(sf, vma, &span);
	if (ret)
		return ret;
	vma->vm_private_data = sf;
	vma->vm_ops = &shmring_vm_ops;
	return 0;
}
