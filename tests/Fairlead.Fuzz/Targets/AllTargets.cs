using System.Text;

namespace Fairlead.Fuzz.Targets;

public static class AllTargets
{
    public static IEnumerable<IFuzzTarget> Make() =>
    [
        new QueryTarget(), new MasterFileTarget(), new RdataTarget(), new MmdbTarget(), new CidrMapTarget(),
        new FleetFileTarget(), new TransferQueryTarget(), new TransferStreamTarget(),
        new BgpOpenTarget(), new BgpUpdateTarget(), new BgpNotificationTarget(), new BgpStreamTarget(), new BfdTarget(),
        new RtrTarget(), new BmpTarget(),
    ];

    /// <summary>Words in a row, parted by blanks, each a token; ~ stands for a blank in one.</summary>
    internal static byte[][] Words(string words) =>
    [
        .. words.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.Replace('~', ' ').Replace("\\n", "\n", StringComparison.Ordinal))
            .Select(Encoding.UTF8.GetBytes),
    ];
}
