using Fairlead.Bgp.Announcing;
using Fairlead.Bgp.Wire;
using Fairlead.Net.Addresses;
using Fairlead.Net.Wire;

namespace Fairlead.Tests.Bgp;

/// <summary>
/// A peer that keeps what it is told: reads what AdjRibOut writes and holds the table that follows from it.
/// </summary>
internal sealed class ModelPeer(AnnounceContext context)
{
    private readonly UpdateContent content = new();

    public Dictionary<Prefix, PathAttributes> Table { get; } = [];

    /// <summary>"+prefix" and "-prefix" as they came.</summary>
    public List<string> Order { get; } = [];

    public int Messages { get; set; }

    public int EndsOfRib { get; private set; }

    /// <summary>Lets the difference be written through a buffer of random size, until all is said.</summary>
    public void Drain(AdjRibOut ribOut, GuardedRoutes wanted, Random random) =>
        Drain(ribOut, wanted, random.Next(300, 6000));

    public void Drain(AdjRibOut ribOut, GuardedRoutes wanted, int room)
    {
        byte[] buffer = new byte[room];
        bool done = false;
        for (int turn = 0; !done; turn++)
        {
            Assert.InRange(turn, 0, 1000);
            var writer = new WireWriter(buffer);
            done = ribOut.Write(ref writer, wanted, out _);
            Read(writer.Written);
        }
    }

    private void Read(ReadOnlySpan<byte> stream)
    {
        while (stream.Length > 0)
        {
            Assert.True(
                Message.TryFrame(stream, context.MessageSizeMax, out MessageType type, out int length, out _));
            if (type == MessageType.RouteRefresh)
            {
                (BgpFamily family, RefreshKind kind) =
                    Message.ReadRouteRefresh(stream[Message.HeaderSize..length], enhanced: true, out _)!.Value;
                Order.Add($"{kind} {family}");
                stream = stream[length..];
                continue;
            }

            Assert.Equal(MessageType.Update, type);
            var reads = new UpdateContext(context.External, context.FourOctetAs, IPv4: true, IPv6: true)
            {
                IPv6NextHop = context.IPv6NextHop,
            };
            Assert.Equal(UpdateAction.Accept, UpdateReader.Read(stream[Message.HeaderSize..length], reads, content));
            Take();
            stream = stream[length..];
        }
    }

    private void Take()
    {
        Messages++;
        if (content.EndOfRib is not null) EndsOfRib++;
        foreach (PathPrefix path in content.Withdrawn)
        {
            Prefix prefix = path.Prefix;
            Assert.True(Table.Remove(prefix), $"{prefix} was withdrawn and never announced");
            Order.Add($"-{prefix}");
        }

        for (int i = 0; i < content.Announced.Count; i++)
        {
            Prefix prefix = content.Announced[i].Prefix;
            UInt128? nextHop = i < content.FieldCount ? content.NextHop : content.MultiprotocolNextHop;
            Table[prefix] = new PathAttributes
            {
                NextHop = Prefix.OfMapped(nextHop!.Value, 128).Address,
                AsPath = [.. content.AsPath],
                Med = content.Med,
                LocalPref = content.LocalPref,
                Communities = [.. content.Communities],
                ExtendedCommunities = [.. content.ExtendedCommunities],
                LargeCommunities = [.. content.LargeCommunities],
                OnlyToCustomer = content.OnlyToCustomer,
            };
            Order.Add($"+{prefix}");
        }
    }
}
