using System.Collections.Immutable;
using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.Bgp.Session;

/// <summary>
/// The sockets on which peers reach us: one for each local address and port that the peers name. A port that cannot be
/// had (another speaker, an address that is not there yet) is tried again; until then we only dial.
/// </summary>
internal sealed class Listeners(SpeakerLoop loop)
{
    private const int Backlog = 64;
    private const int AcceptsPerTurn = 64;
    private static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(1);

    private readonly List<(KernelSocket Socket, int Slot)> open = [];
    private readonly List<(IPAddress Address, string? Interface, int Port)> missing = [];
    private ImmutableArray<PeerOptions> peers = [];
    private bool told;

    /// <summary>When to try the missing ones again.</summary>
    public TimeSpan RetryAt { get; private set; } = Connection.Never;

    /// <summary>
    /// Opens all anew: a listener's MD5 keys and addresses are its peers'. Waiting connections are lost.
    /// </summary>
    public void Replace(ImmutableArray<PeerOptions> options)
    {
        foreach ((KernelSocket socket, _) in open) socket.Dispose();
        open.Clear();
        missing.Clear();
        (peers, told) = (options, false);
        // An address beside "any" on the same port cannot be bound, so "any" serves them all.
        var wanted = peers.GroupBy(peer => (peer.Address.AddressFamily, peer.Port)).SelectMany(group =>
            group.Any(peer => peer.LocalAddress is null)
                ? [(Any(group.Key.AddressFamily), null, group.Key.Port)]
                : group.Select(peer => (peer.LocalAddress!, peer.Interface, group.Key.Port)).Distinct());
        missing.AddRange(wanted);
        OpenMissing();
    }

    public void Watch(Poller poller)
    {
        for (int i = 0; i < open.Count; i++)
            open[i] = (open[i].Socket, poller.Add(open[i].Socket.Fd, read: true, write: false));
    }

    public void Serve(Poller poller)
    {
        if (RetryAt <= loop.Now) OpenMissing();
        foreach ((KernelSocket listener, int slot) in open)
        {
            if (slot < 0 || !poller.CanRead(slot)) continue;
            for (int i = 0; i < AcceptsPerTurn && listener.Accept(out IPAddress? from) is { } socket; i++)
            {
                if (from is null) socket.Dispose();
                else loop.OnAccepted(socket, from);
            }
        }
    }

    private void OpenMissing()
    {
        string? fault = null;
        for (int i = missing.Count - 1; i >= 0; i--)
        {
            // A link-local address is one of its interface, which may come back with another number.
            IPAddress address = InterfaceIndex.Scoped(missing[i].Address, missing[i].Interface);
            int error = TryOpen(address, missing[i].Port);
            if (error == 0) missing.RemoveAt(i);
            else fault = $"{missing[i].Address} port {missing[i].Port}: {new Win32Exception(error).Message}";
        }

        RetryAt = missing.Count == 0 ? Connection.Never : loop.Now + RetryEvery;
        if (fault is not null && !told) loop.Emit(new BgpEvent.ListenFailed(peers[0].Name, fault));
        told = fault is not null;
    }

    private int TryOpen(IPAddress address, int port)
    {
        KernelSocket socket = KernelSocket.Tcp(address.AddressFamily);
        _ = socket.ReuseAddress();
        _ = socket.OnlyIPv6();
        _ = socket.SendHops(255); // The answer to a SYN must pass the peer's TTL security too (RFC 5082 §3).
        int error = 0;
        foreach (PeerOptions peer in peers)
        {
            if (peer.Password is { } password && peer.Address.AddressFamily == address.AddressFamily && error == 0)
                error = socket.Md5Password(peer.Address, password);
        }

        if (error == 0) error = socket.Bind(address, port);
        if (error == 0) error = socket.Listen(Backlog);
        if (error == 0) open.Add((socket, -1));
        else socket.Dispose();
        return error;
    }

    private static IPAddress Any(AddressFamily family) =>
        family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any;
}
