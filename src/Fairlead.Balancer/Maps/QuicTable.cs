using Fairlead.Net.Linux;

namespace Fairlead.Balancer.Maps;

/// <summary>
/// The kernel's tables of QUIC configurations, a few rows a service, and of server ids. Like all tables they have two
/// copies, and each is written whole: a packet sees the old keys and ids or the new ones.
/// </summary>
internal sealed class QuicTable(IReadOnlyDictionary<string, BpfObject> maps) : IDisposable
{
    private readonly BpfArray<FlQuicConfig> configs = new(maps["quic_configs"]);
    private readonly BpfArray<FlQuicId> ids = new(maps["quic_ids"]);

    public int Ids => ids.Length / Layout.Copies;

    public int Services => configs.Length / Layout.Copies / Layout.QuicConfigs;

    public long Bytes => configs.Bytes + ids.Bytes;

    /// <summary>What a service's rows are to be, now that its backends have their numbers.</summary>
    public static void Set(ServiceState state, ServiceEntry entry, TableSpace space)
    {
        if (entry.Quic.IsEmpty)
        {
            if (state.QuicNumber != 0) space.GiveBackQuic(state.QuicNumber);
            (state.QuicNumber, state.QuicConfigs, state.QuicIds) = (0, [], []);
            return;
        }

        if (state.QuicNumber == 0) state.QuicNumber = space.TakeQuic();
        state.QuicConfigs = new FlQuicConfig[Layout.QuicConfigs];
        foreach (QuicConfig config in entry.Quic) state.QuicConfigs[config.Config] = QuicRow.Of(config);
        state.QuicIds =
        [
            .. from config in entry.Quic
               from id in config.Ids
               select QuicRow.Of(config, id, state.Id, state.NumberOf(id.Backend)),
        ];
    }

    /// <summary>Where a service's rows begin; 0: it has none.</summary>
    public static uint FirstOf(ServiceState state) => state.QuicNumber * Layout.QuicConfigs;

    /// <summary>What stands in this copy of a service that was found in the kernel.</summary>
    public void Read(in FlCopy copy, ServiceState state, uint first)
    {
        if (first == 0) return;
        state.QuicNumber = first / Layout.QuicConfigs;
        state.QuicConfigs = configs.Slice((int)(copy.QuicConfigFirst + first), Layout.QuicConfigs).ToArray();
        state.QuicIds =
        [
            .. ids.Slice((int)copy.QuicFirst, (int)copy.QuicMask + 1).ToArray().Where(id => id.Service == state.Id),
        ];
    }

    public void Write(ref FlCopy copy, int into, IEnumerable<ServiceState> states)
    {
        int rows = configs.Length / Layout.Copies;
        copy.QuicConfigFirst = (uint)(into * rows);
        // Also what nobody has any more: keys are not left lying about.
        configs.Slice(into * rows, rows).Clear();
        List<FlQuicId> all = [];
        foreach (ServiceState state in states.Where(state => state.QuicNumber != 0))
        {
            state.QuicConfigs.CopyTo(configs.Slice((int)(copy.QuicConfigFirst + FirstOf(state)), Layout.QuicConfigs));
            all.AddRange(state.QuicIds);
        }

        copy.QuicFirst = (uint)(into * Ids);
        copy.QuicMask = PlaceTable.Fill([.. all], QuicRow.Hash, ids.Slice(into * Ids, Ids), "QUIC server ids");
    }

    public void Dispose()
    {
        configs.Dispose();
        ids.Dispose();
    }
}
