DROP TABLE ledger;
DROP TABLE client_balances;
DROP FUNCTION client_balances_upkeep;
DROP FUNCTION ledger_refuse_change;
DROP FUNCTION ledger_signed;
