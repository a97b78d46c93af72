using Fairlead.Balancer;
using Fairlead.Balancer.Maps;

namespace Fairlead.Node;

/// <summary>
/// One in so many packets of the balancer, by chance: what was decided of the last thousand, for whoever comes after
/// something went wrong. Nothing of what is in them is kept, and none that is for no VIP: the machine's own.
/// </summary>
internal sealed class SampledPackets(PacketTap tap) : IDisposable
{
    private const int KeptMax = 1000;

    private readonly Lock gate = new();
    private readonly Queue<TappedPacket> kept = [];
    private TapWatch? watch;

    public IReadOnlyList<TappedPacket> Kept
    {
        get
        {
            lock (gate) return [.. kept];
        }
    }

    /// <summary>0: no more from now on; what is kept stays.</summary>
    public void Take(int oneIn)
    {
        lock (gate)
        {
            if ((watch?.Filter.OneIn ?? 0) == oneIn) return;
            watch?.Dispose();
            watch = oneIn > 0 ? tap.Sample(new TapFilter { OneIn = oneIn }) : null;
            if (watch is not null) _ = KeepAsync(watch);
        }
    }

    public void Dispose() => Take(0);

    private async Task KeepAsync(TapWatch from)
    {
        await foreach (TappedPacket packet in from.Packets.ReadAllAsync())
        {
            if (packet.Reason is PacketReason.NotIp or PacketReason.NotVip or PacketReason.OtherProtocol) continue;
            lock (gate)
            {
                if (kept.Count == KeptMax) _ = kept.Dequeue();
                kept.Enqueue(packet);
            }
        }
    }
}
