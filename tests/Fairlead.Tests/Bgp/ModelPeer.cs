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
            Assert.True(Message.TryFrame(stream, out MessageType type, out int length, out _));
            Assert.Equal(MessageType.Update, type);
            var reads = new UpdateContext(context.External, context.FourOctetAs, IPv4: true, IPv6: true);
            Assert.Equal(UpdateAction.Accept, UpdateReader.Read(stream[Message.HeaderSize..length], reads, content));
            Take();
            stream = stream[length..];
        }
    }

    private void Take()
    {
        Messages++;
        if (content.EndOfRib is not null) EndsOfRib++;
        foreach (Prefix prefix in content.Withdrawn)
        {
            Assert.True(Table.Remove(prefix), $"{prefix} was withdrawn and never announced");
            Order.Add($"-{prefix}");
        }

        foreach (Prefix prefix in content.Announced)
        {
            Table[prefix] = new PathAttributes
            {
                NextHop = Prefix.OfMapped(content.NextHop!.Value, 128).Address,
                // An old speaker sees AS_TRANS; the model takes it for the number that does not fit.
                AsPath = [.. content.AsPath.Select(asn => asn == Asn.Trans ? context.LocalAs : asn)],
                Med = content.Med,
                LocalPref = content.LocalPref,
                Communities = [.. content.Communities],
            };
            Order.Add($"+{prefix}");
        }
    }
}
